//! Replays over TLS, against nginx with a certificate of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rehearsal_tests::{finish, free_port, guarded, missing, python, python_says, rehearsal, run, text};

fn has(program: &str, word: &str) -> bool {
    Command::new(program).arg(word).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// nginx in the foreground, stopped with this.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nginx(dir: &Path, port: u16) -> Nginx {
    let words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
    let names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"];
    let files = ["-keyout", "key.pem", "-out", "cert.pem"];
    let _ = finish(Command::new("openssl").current_dir(dir).args(words).args(names).args(files)).expect_code(0);
    let place = dir.display();
    let conf = format!(
        "worker_processes 1; master_process off; daemon off; pid {place}/pid; error_log {place}/error.log;
         events {{}} http {{ access_log off; server {{ listen 127.0.0.1:{port} ssl;
         ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem; location / {{ return 200 '{{\"ok\":true}}'; }} }} }}"
    );
    std::fs::write(dir.join("nginx.conf"), conf).unwrap();
    let mut command = guarded(Path::new("nginx"));
    command
        .args(["-c", text(&dir.join("nginx.conf")), "-p", text(dir), "-e", "stderr"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    Nginx(command.spawn().expect("nginx starts"))
}

#[test]
fn a_replay_over_tls_trusts_what_the_system_trusts_and_nothing_else() {
    if missing("nginx", has("nginx", "-v")) || missing("openssl", has("openssl", "version")) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("plan.json");
    std::fs::write(&template, r#"{"sessions":[{"name":"s","steps":[{"method":"GET","path":"/a"}]}]}"#).unwrap();
    let trace = dir.path().join("t.parquet");
    let _ = run(&["synth", "-o", text(&trace), "--template", text(&template), "--requests", "20", "--rate", "40"]).expect_code(0);
    let port = free_port();
    let _nginx = nginx(dir.path(), port);
    let url = format!("https://localhost:{port}");

    let (trusted, strange) = (dir.path().join("trusted"), dir.path().join("strange"));
    let words = ["replay", text(&trace), "--target", &url, "--wait-ready", "30s", "-o", text(&trusted)];
    let said = finish(rehearsal(&words).env("SSL_CERT_FILE", dir.path().join("cert.pem"))).expect_done();
    assert!(said.out.contains("20 sent, 20 good"), "{}", said.out);

    if let Some(python) = python() {
        let query = "import duckdb, sys; print(*duckdb.sql(f\"select count(connect_ns), min(connect_ns) > 0, max(connect_ns) < max(done_ns) from '{sys.argv[1]}/outcomes-*.parquet'\").fetchone())";
        let said = python_says(&python, query, &[text(&trusted)]);
        let opened: u32 = said.split(' ').next().and_then(|count| count.parse().ok()).expect("a number");
        assert!(
            (1..=20).contains(&opened) && said.trim().ends_with("True True"),
            "connections opened, and that it took time: {said}"
        );
    }

    // Bodies are read where a rule says so, behind TLS as elsewhere.
    let (rules, judged) = (dir.path().join("rules.json"), dir.path().join("judged"));
    let rule = r#"[{"system":"mine","match":["GET /a"],"effect":"read","failure":{"at":"/ok","unless":["false"]}}]"#;
    std::fs::write(&rules, rule).unwrap();
    let words = ["replay", text(&trace), "--target", &url, "--rules", text(&rules), "-o", text(&judged)];
    let said = finish(rehearsal(&words).env("SSL_CERT_FILE", dir.path().join("cert.pem"))).expect_code(1);
    assert!(said.out.contains("20 sent, 0 good, 0 bad status") && said.out.contains("20 answer"), "{}", said.out);

    let words = ["replay", text(&trace), "--target", &url, "-o", text(&strange)];
    let said = run(&words).expect_code(1);
    assert!(said.out.contains("20 tls"), "an unknown certificate must not be trusted: {}", said.out);
}
