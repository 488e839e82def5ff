//! What comes in over HTTP and is not as it should be gets a status and a sentence that fit; what watches the server
//! gets its answers.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::install::{Install, SECRET, alert_body, eventually, http, token};

#[tokio::test]
async fn a_hook_takes_what_it_can_and_says_why_not() {
    let install = Install::new();
    let _server = install.serve().await;
    let send = async |secret: &str, body: Vec<u8>| {
        let request = http().post(install.url("/hooks/alertmanager")).bearer_auth(secret).body(body);
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let good = alert_body("g", &json!({"alertname": "Odd"}), true).to_string().into_bytes();
    let (status, text) = send("wrong-secret", good.clone()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(serde_json::from_str::<Value>(&text).unwrap()["error"]["hint"].is_string(), "{text}");
    assert_eq!(send("", good.clone()).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(send(SECRET, vec![b' '; 2 * 1024 * 1024]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send("wrong-secret", vec![b' '; 2 * 1024 * 1024]).await.0, StatusCode::UNAUTHORIZED, "who comes first");
    for malformed in ["", "{", "{\"alerts\": [}", "[]", "null", "alerts=1", "{\"a\":\"\u{0}\"}"] {
        assert_eq!(send(SECRET, malformed.into()).await.0, StatusCode::BAD_REQUEST, "{malformed}");
    }
    for odd in [json!({}), json!({"alerts": 7}), json!({"alerts": [{"labels": {"alertname": 1}}]})] {
        let (status, text) = send(SECRET, odd.to_string().into_bytes()).await;
        assert_eq!(status, StatusCode::ACCEPTED, "a sender would give up on anything else: {odd} {text}");
    }
    assert_eq!(send(SECRET, good).await.0, StatusCode::ACCEPTED);
    eventually("the one good alert's incident", async || {
        let incidents = install.get("ana", "incidents").await;
        (incidents.as_array()?.len() == 1).then_some(())
    })
    .await;

    let elsewhere = http().post(install.url("/hooks/nowhere")).bearer_auth(SECRET).json(&json!({})).send().await;
    assert_eq!(elsewhere.unwrap().status(), StatusCode::UNAUTHORIZED, "nobody can tell which hooks there are");
    let basic = http().post(install.url("/hooks/alertmanager")).basic_auth("prometheus", Some(SECRET)).json(&json!({}));
    assert_eq!(basic.send().await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_wrong_method_or_path_is_said() {
    let install = Install::new();
    let _server = install.serve().await;
    for (method, path, status) in [
        (Method::GET, "/hooks/alertmanager", StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, "/api/v1/messages", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/health", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/api/v1/nowhere", StatusCode::NOT_FOUND),
        (Method::GET, "/api/v1/me", StatusCode::UNAUTHORIZED),
        (Method::GET, "/..%2f..%2fetc/passwd", StatusCode::NOT_FOUND),
    ] {
        let answer = http().request(method.clone(), install.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
    }
    let say = async |body: Value| {
        let request = http().post(install.url("/api/v1/messages")).bearer_auth(token("ana")).json(&body);
        request.send().await.unwrap().status()
    };
    assert_eq!(say(json!({"channel": "#infra"})).await, StatusCode::BAD_REQUEST);
    assert_eq!(say(json!({"channel": "#infra", "text": "  "})).await, StatusCode::BAD_REQUEST);
    assert_eq!(say(json!({"channel": "#infra", "text": "x".repeat(5000)})).await, StatusCode::BAD_REQUEST);
    assert_eq!(say(json!({"channel": "#infra", "text": "x", "as": "leo"})).await, StatusCode::BAD_REQUEST);
    assert_eq!(say(json!({"channel": "#nowhere", "text": "hello"})).await, StatusCode::NOT_FOUND);
    assert_eq!(say(json!({"channel": "#infra", "text": "hello"})).await, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn what_watches_it_gets_answers() {
    let install = Install::new();
    let _server = install.serve().await;
    let get = async |path: &str| {
        let answer = http().get(install.url(path)).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    assert_eq!(get("/live").await.0, StatusCode::OK);
    assert_eq!(get("/ready").await.0, StatusCode::OK);
    let (status, text) = get("/health").await;
    let health: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&health["status"], &health["services"]["store"]["status"]), (&json!("ok"), &json!("ok")));
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    let metrics = get("/metrics").await.1;
    for name in ["sereno_build_info{", "sereno_store_up 1", "sereno_http_requests_total{", "sereno_inbox{"] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    let document: Value = serde_json::from_str(&get("/api/v1/openapi.json").await.1).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    for path in ["/api/v1/messages", "/api/v1/messages/{id}/press", "/api/v1/messages/{id}/thread"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}
