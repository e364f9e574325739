//! Property tests of multipart forms: no body makes the parser panic, and a form that is sent is the
//! form that is read.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

use super::*;
use crate::domain::avatar::NewAvatar;
use crate::shares::FairSemaphore;
use crate::wire::visitor::Visitor;

const BOUNDARY: &str = "----meow";
const KIND: &str = "multipart/form-data; boundary=----meow";

/// A text or a file.
#[derive(Clone, Debug)]
enum Sent {
    Texts(Vec<String>),
    File(Vec<u8>),
}

fn any_form() -> impl Strategy<Value = BTreeMap<&'static str, Sent>> {
    let sent = prop_oneof![
        vec("[^-]{0,20}", 1..3).prop_map(Sent::Texts),
        vec(any::<u8>().prop_filter("no part of a boundary", |byte| *byte != b'-'), 1..40)
            .prop_map(Sent::File),
    ];
    btree_map(select(&["avatar", "name", "members", "é"][..]), sent, 0..5)
}

fn written(form: &BTreeMap<&str, Sent>) -> Vec<u8> {
    let mut body = Vec::new();
    let mut part = |name: &str, file: &str, content: &[u8]| {
        let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{file}");
        body.extend([head.as_bytes(), b"\r\n\r\n", content, b"\r\n"].concat());
    };
    for (name, sent) in form {
        match sent {
            Sent::Texts(texts) => texts.iter().for_each(|text| part(name, "", text.as_bytes())),
            Sent::File(bytes) => part(name, "; filename=\"cat.png\"", bytes),
        }
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    body
}

fn read(kind: &str, body: Vec<u8>) -> DomainResult<Fields> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let memory = FairSemaphore::new("files", 1_000, 1, Duration::from_secs(1));
        let room = memory.acquire_many(Holder::at(Ipv4Addr::LOCALHOST.into()), 1).await;
        let form = parse(kind, body.into(), 1_000, &Arc::new(room.expect("free")))?;
        Ok(Fields::from(form))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_form_is_read_as_it_was_sent(form in any_form()) {
        let mut fields = read(KIND, written(&form)).expect("a valid form");
        for (name, sent) in form {
            match sent {
                Sent::Texts(texts) => prop_assert_eq!(fields.take(name), Some(json!(texts))),
                Sent::File(bytes) => {
                    let Some(NewAvatar::Uploaded(file)) = fields.picture(name) else {
                        panic!("no file {name}");
                    };
                    prop_assert_eq!(file.as_ref(), bytes);
                }
            }
        }
    }

    #[test]
    fn damaged_forms_are_read_or_refused(
        form in any_form(),
        damages in vec((any::<Index>(), any::<u8>()), 1..6),
        end in any::<Index>(),
    ) {
        let mut body = written(&form);
        for (at, byte) in damages {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body.truncate(end.index(2 * body.len()));
        drop(read(KIND, body));
    }

    #[test]
    fn any_body_is_read_or_refused(body in vec(any::<u8>(), 0..200), kind in ".{0,40}") {
        drop(read(KIND, body.clone()));
        drop(read(&format!("multipart/form-data; boundary={kind}"), body));
    }
}
