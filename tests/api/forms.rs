//! Forms as all kinds of clients write them.

use reqwest::Method;

use crate::avatars::png;
use crate::support::{Backend, TestApp};

const ME: &str = "/api/auth/me/";

#[tokio::test]
async fn a_picture_is_taken_whatever_its_name_and_however_the_form_is_written() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let tom = server.user("tom").await;
    let part = |disposition: &[u8]| {
        let start =
            b"--meow\r\nContent-Type: image/png\r\nCONTENT-DISPOSITION: form-data; name=avatar";
        let end = b"\r\n--meow--\r\n";
        [&start[..], disposition, b"\r\n\r\n", &png(8, 8), end].concat()
    };
    let mut pictures = vec![];
    for disposition in [
        &b"; filename=\"cat.png\""[..],
        b"; FileName=cat.png",
        b"; filename=\"caf\xe9.png\"",
        "; filename=\"кот.png\"".as_bytes(),
        b"; filename=\"%22cat%22.png\"",
        b"; filename=\"my \\\"cat\\\".png\"",
        b"; filename*=UTF-8''%D0%BA%D0%BE%D1%82.png",
        b"; filename*=ISO-8859-1''caf%E9.png",
        b"; filename=cat.png; filename*=utf-8''cat.png; size=70",
    ] {
        let kind = "multipart/form-data; boundary=\"meow\"";
        let answer = tom.raw(Method::PATCH, ME, kind, part(disposition)).await.expect(200);
        let picture = answer.json["avatar"].as_str().expect("a picture").to_owned();
        assert!(!pictures.contains(&picture), "{}", disposition.escape_ascii());
        pictures.push(picture);
    }
    let lines = "hello\n--the cat\nContent-Disposition: form-data; name=first_name\n\nTom\n--the cat\n\
                 content-disposition: form-data; name=\"avatar\"; filename=\"\"\n\n\n--the cat--\nbye";
    let kind = "multipart/form-data; boundary=\"the cat\"";
    let answer = tom.raw(Method::PATCH, ME, kind, lines).await.expect(200);
    assert_eq!(answer.json["first_name"], "Tom");
    assert_eq!(answer.json["avatar"].as_str(), pictures.last().map(String::as_str), "untouched");

    let latin = b"--meow\r\nContent-Disposition: form-data; name=\"last_name\"\r\n\
                  Content-Type: text/plain; charset=iso-8859-1\r\n\r\nCaf\xe9\r\n--meow--";
    let kind = "multipart/form-data; boundary=meow";
    let answer = tom.raw(Method::PATCH, ME, kind, latin.to_vec()).await.expect(200);
    assert_eq!(answer.json["last_name"], "Café");
}
