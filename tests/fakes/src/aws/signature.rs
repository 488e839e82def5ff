//! Signature Version 4, checked as AWS documents it, from the request as it came.

use std::fmt::Write as _;

use ring::{digest, hmac};

use super::Asked;

/// The service that a request is signed for, and the id of the key that it is signed with.
pub(super) fn check(asked: &Asked, key: &str) -> Result<(String, String), String> {
    let header = asked.header("authorization");
    let fields = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("not signed")?;
    let field = |name: &str| {
        let mut parts = fields.split(',').map(str::trim);
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).ok_or(format!("no {name}"))
    };
    let (credential, names, signature) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let scope: Vec<&str> = credential.split('/').collect();
    let [id, day, region, service, "aws4_request"] = scope.as_slice() else { return Err("no scope".to_owned()) };
    let signed: Vec<&str> = names.split(';').collect();
    for name in asked.headers.keys().map(axum::http::HeaderName::as_str) {
        if (name.starts_with("x-amz-") || name == "host") && !signed.contains(&name) {
            return Err(format!("{name} is not signed"));
        }
    }
    let at = asked.header("x-amz-date");
    if !at.starts_with(day) {
        return Err("signed for another day".to_owned());
    }
    let body = hex(digest::digest(&digest::SHA256, &asked.body).as_ref());
    let said = asked.header("x-amz-content-sha256");
    if !said.is_empty() && said != body || *service == "s3" && said.is_empty() {
        return Err("the body is another one".to_owned());
    }
    // Only S3 takes paths as they are; the others encode them once more.
    let path = if *service == "s3" { asked.path.clone() } else { encoded(&asked.path) };
    let mut query: Vec<String> = asked.query.split('&').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    query.iter_mut().filter(|part| !part.contains('=')).for_each(|part| part.push('='));
    query.sort();
    let mut text = format!("{}\n{path}\n{}\n", asked.method, query.join("&"));
    for name in &signed {
        let _ = writeln!(text, "{name}:{}", asked.header(name).trim());
    }
    let _ = write!(text, "\n{names}\n{body}");
    let digest = hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{day}/{region}/{service}/aws4_request\n{digest}");
    let mut secret = format!("AWS4{key}").into_bytes();
    for part in [*day, *region, *service, "aws4_request"] {
        secret = sign(&secret, part).as_ref().to_vec();
    }
    match hex(sign(&secret, &to_sign).as_ref()) == signature {
        true => Ok(((*service).to_owned(), (*id).to_owned())),
        false => Err(format!("expected for {text:?}")),
    }
}

fn sign(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}
