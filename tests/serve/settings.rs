//! Every key by a variable of the environment, every secret also by a file; what must not be let pass keeps the program
//! from starting.

use reqwest::StatusCode;

use crate::install::{Install, free_port, http, said, status};

#[tokio::test]
async fn every_key_can_come_from_the_environment_and_every_secret_from_a_file() {
    let mut install = Install::new();
    install.port = free_port();
    install.write("secret", "hook-secret-from-a-file\n");
    install.write("token", "ana-token-from-a-file\n");
    let listen = format!("127.0.0.1:{}", install.port);
    let (secret, token) = (install.path("secret").display().to_string(), install.path("token").display().to_string());
    let mut server = install.start(&[
        ("SERENO_SERVER__LISTEN", &listen),
        ("SERENO_LANGUAGE", "es"),
        ("SERENO_HOOKS__ALERTMANAGER__SECRET_FILE", &secret),
        ("SERENO_PEOPLE__ANA__CONSOLE__TOKEN_FILE", &token),
    ]);
    install.ready(&mut server).await;

    let me =
        async |token: &str| http().get(install.url("/api/v1/me")).bearer_auth(token).send().await.unwrap().status();
    assert_eq!(me("ana-token-from-a-file").await, StatusCode::OK);
    assert_eq!(me("ana-token").await, StatusCode::UNAUTHORIZED);
    let hook = async |secret: &str| {
        let body = serde_json::json!({"version": "4", "alerts": []});
        http().post(install.url("/hooks/alertmanager")).bearer_auth(secret).json(&body).send().await.unwrap().status()
    };
    assert_eq!(hook("hook-secret-from-a-file").await, StatusCode::ACCEPTED);
    assert_eq!(hook("hook-secret").await, StatusCode::UNAUTHORIZED);
    let page = http().get(install.url("/sign-in")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("lang=\"es\""), "{page}");

    let url = install.url("");
    let mut command = install.command(&["say", "#infra", "/ops health dev", "--json", "--as", "ana", "--server", &url]);
    command.env("SERENO_PEOPLE__ANA__CONSOLE__TOKEN_FILE", &token);
    let said = said(command).await;
    assert_eq!(said.code, 0, "the URL from the shell, the token from the configuration: {said:#?}");
}

#[tokio::test]
async fn an_empty_secret_keeps_it_from_starting() {
    for (from, to) in [
        ("\"hook-secret\"", "\"\""),
        ("\"ana-token\"", "\"\""),
        ("\"hook-secret\"", "\"  \""),
        ("\"hook-secret\"", "\"secret\""),
    ] {
        let install = Install::new();
        install.configure(from, to);
        let said = install.sereno(&["serve"]).await;
        assert_eq!(said.code, 78, "{from} → {to}: {said:#?}");
        assert!(said.err.contains("sereno.yaml:") && said.err.contains('→'), "{said:#?}");
        assert_eq!(status(&install.url("/live")).await, None);
    }
    let install = Install::new();
    for variable in ["SERENO_HOOKS__ALERTMANAGER__SECRET", "SERENO_HOOKS__ALERTMANAGER__SECRET_FILE"] {
        let mut command = install.command(&["serve"]);
        command.env(variable, if variable.ends_with("_FILE") { "/dev/null" } else { "" });
        let said = said(command).await;
        assert_eq!(said.code, 78, "{variable}: {said:#?}");
        assert!(said.err.contains(variable), "{said:#?}");
    }
}

#[tokio::test]
async fn a_configuration_that_is_wrong_is_shown_with_its_line() {
    let install = Install::new();
    install.configure("approvals: 1", "aprovals: 1");
    let said = install.sereno(&["serve"]).await;
    assert_eq!(said.code, 78, "{said:#?}");
    for part in ["aprovals", "approvals", "^", "sereno.yaml:6:"] {
        assert!(said.err.contains(part), "{part} in {}", said.err);
    }
    let mut command = install.command(&["serve", "--config", "nowhere.yaml"]);
    command.env_remove("SERENO_CONFIG");
    let said = self::said(command).await;
    assert_eq!(said.code, 78, "{said:#?}");
    assert!(said.err.contains("nowhere.yaml"), "{said:#?}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_said_with_a_hint() {
    let install = Install::new();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", install.port)).unwrap();
    let said = install.sereno(&["serve"]).await;
    assert_eq!(said.code, 69, "{said:#?}");
    assert!(said.err.contains(&install.port.to_string()) && said.err.contains('→'), "{said:#?}");
}
