//! Forms as clients write them, and forms that are none.

use super::*;

/// The name, whether it is a file, and the text of each part.
fn read(kind: &str, body: &[u8]) -> Result<Vec<(String, bool, String)>> {
    let mut form = Multipart::new(kind, Bytes::copy_from_slice(body))?;
    let mut parts = Vec::new();
    while let Some(part) = form.next_part()? {
        parts.push((part.name.clone(), part.file_name.is_some(), form.text(&part)));
    }
    Ok(parts)
}

fn texts(kind: &str, body: impl AsRef<[u8]>) -> Vec<String> {
    let body = body.as_ref();
    let read = read(kind, body).unwrap_or_else(|error| panic!("{error}: {}", body.escape_ascii()));
    read.into_iter().map(|(_, _, text)| text).collect()
}

const KIND: &str = "multipart/form-data; boundary=meow";
const HEAD: &str = "Content-Disposition: form-data; name=a\r\n";

#[test]
fn lines_may_end_in_either_way_and_what_is_around_the_parts_is_ignored() {
    for body in [
        format!("--meow\r\n{HEAD}\r\none\r\n--meow\r\n{HEAD}\r\ntwo\r\n--meow--\r\n"),
        format!("--meow\r\n{HEAD}\r\none\r\n--meow\r\n{HEAD}\r\ntwo\r\n--meow--"),
        format!("--meow\n{HEAD}\none\n--meow\n{HEAD}\ntwo\n--meow--\n").replace('\r', ""),
        format!("--meow\r\n{HEAD}\none\n--meow\n{HEAD}\r\ntwo\r\n--meow--\n"),
        format!("hello\r\n--meow\r\n{HEAD}\r\none\r\n--meow\r\n{HEAD}\r\ntwo\r\n--meow--\r\nbye"),
        format!("\r\n--meow \t\r\n{HEAD}\r\none\r\n--meow  \r\n{HEAD}\r\ntwo\r\n--meow--  \r\n"),
        format!("x--meow\r\n--meow\r\n{HEAD}\r\none\r\n--meow\r\n{HEAD}\r\ntwo\r\n--meow--"),
    ] {
        assert_eq!(texts(KIND, &body), ["one", "two"], "{body:?}");
    }
}

#[test]
fn a_part_keeps_every_byte() {
    for content in [
        "",
        "\r\n",
        "\r",
        "one\r\n\r\ntwo\r\n",
        "x\r\n--meowing\r\n",
        "x\r\n--meow-\r\n",
        "x\r\n --meow\r\n",
        "x\r\n-meow\r\n",
        "x\r\n--meow--x",
    ] {
        let body = format!("--meow\r\n{HEAD}\r\n{content}\r\n--meow--\r\n");
        assert_eq!(texts(KIND, &body), [content], "{body:?}");
    }
    let body = "--meow\n\none\r\n--meow--\n";
    assert_eq!(texts(KIND, body), ["one\r"], "where lines end in LF");
}

#[test]
fn a_boundary_may_be_quoted_and_contain_spaces() {
    for (kind, boundary) in [
        ("multipart/form-data; boundary=\"meow\"", "meow"),
        ("Multipart/Form-Data;BOUNDARY=meow", "meow"),
        ("multipart/form-data; charset=utf-8; boundary=meow ;x=y", "meow"),
        (
            "multipart/form-data; boundary=\"the cat's: (9) \\\"+_,-./=?\"",
            "the cat's: (9) \"+_,-./=?",
        ),
        ("multipart/form-data; boundary=----WebKitFormBoundaryAbC", "----WebKitFormBoundaryAbC"),
        ("multipart/form-data; boundary==_cat=", "=_cat="),
    ] {
        let body = format!("--{boundary}\r\n{HEAD}\r\none\r\n--{boundary}--");
        assert_eq!(texts(kind, body), ["one"], "{kind}");
    }
}

#[test]
fn headers_may_have_any_case_and_order_and_be_folded() {
    for (head, is_file) in [
        ("content-disposition: form-data; name=\"a\"", false),
        ("CONTENT-DISPOSITION:form-data; NAME=a; FileName=\"\"", true),
        ("Content-Type: image/png\r\nContent-Disposition: form-data; filename=x; name=\"a\"", true),
        ("Content-Disposition: form-data;\r\n name=\"a\";\r\n\tfilename=\"x\"", true),
        ("X-Meow\r\nContent-Disposition: form-data; name*=utf-8''a", false),
        ("Content-Length: 3\r\nContent-Disposition: form-data; name=a; filename=\"é\"", true),
    ] {
        let body = format!("--meow\r\n{head}\r\n\r\none\r\n--meow--\r\n");
        let parts = read(KIND, body.as_bytes()).expect("a form");
        assert_eq!(parts, [("a".to_owned(), is_file, "one".to_owned())], "{head}");
    }
    let nameless = read(KIND, b"--meow\r\n\r\none\r\n--meow--").expect("a form");
    assert_eq!(nameless, [(String::new(), false, "one".to_owned())]);
    assert_eq!(read(KIND, b"--meow--\r\n").expect("an empty form"), []);
}

#[test]
fn texts_are_decoded_as_they_were_encoded() {
    let latin = "multipart/form-data; boundary=meow; charset=iso-8859-1";
    for (kind, header, content, text) in [
        (KIND, "Content-Type: text/plain", "é".as_bytes(), "é"),
        (KIND, "Content-Type: text/plain; charset=ISO-8859-1", b"\xe9", "é"),
        (KIND, "content-type: text/plain; charset=\"koi8-r\"", b"\xcb\xcf\xd4", "кот"),
        (KIND, "Content-Type: text/plain; charset=meow", "é".as_bytes(), "é"),
        (KIND, "Content-Type: text/plain", b"\xe9", "\u{fffd}"),
        (latin, "Content-Type: text/plain", b"\xe9", "é"),
        (latin, "Content-Type: text/plain; charset=utf-8", "é".as_bytes(), "é"),
        (KIND, "Content-Transfer-Encoding: 8bit", "é".as_bytes(), "é"),
        (KIND, "Content-Transfer-Encoding: BASE64", b"bWVv\r\ndw==\r\n", "meow"),
    ] {
        let head = [b"--meow\r\n", HEAD.as_bytes(), header.as_bytes(), b"\r\n\r\n"].concat();
        let body = [&head, content, b"\r\n--meow--\r\n"].concat();
        assert_eq!(texts(kind, body), [text], "{header}");
    }
}

#[test]
fn what_is_no_form_is_refused_in_django_s_words() {
    let long = format!("multipart/form-data; boundary={}", "x".repeat(202));
    let base64 = format!("--meow\r\n{HEAD}content-transfer-encoding: base64\r\n\r\n?\r\n--meow--");
    for (kind, body, text) in [
        ("multipart/form-data", "", "Invalid boundary in multipart: None"),
        ("multipart/form-data; boundary=", "", "Invalid boundary in multipart: "),
        ("multipart/form-data; boundary=\"a \"", "", "Invalid boundary in multipart: a "),
        (&long, "", "Invalid boundary in multipart: xxx"),
        (KIND, "", "The form ends without its boundary."),
        (KIND, "meow", "The form ends without its boundary."),
        (KIND, "--other\r\n\r\n\r\n--other--", "The form ends without its boundary."),
        (KIND, "--meow", "The form ends without its boundary."),
        (KIND, "--meow\r\n\r\none", "The form ends without its boundary."),
        (KIND, "--meow\r\n\r\none\r\n--meow", "The form ends without its boundary."),
        (KIND, "--meow\r\n", "A part has no end of its headers."),
        (KIND, "--meow\r\nContent-Disposition: form-data; name=a", "A part has no end of its"),
        (KIND, &format!("--meow\r\n{}\r\n--meow--", "x: y\r\n".repeat(3_000)), "A part has no end"),
        (KIND, &base64, "Could not decode base64 data."),
    ] {
        let error = read(kind, body.as_bytes()).expect_err(body).to_string();
        assert!(error.starts_with(&format!("Multipart form parse error - {text}")), "{error}");
    }
}
