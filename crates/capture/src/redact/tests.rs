use proptest::prelude::*;

use super::*;

fn exchange(target: &str, headers: &[(&str, &str)], body: &str) -> Exchange {
    let header = |(name, value): &(&str, &str)| Header { name: (*name).into(), value: Bytes::copy_from_slice(value.as_bytes()) };
    Exchange {
        target: target.into(),
        headers: Some(headers.iter().map(header).collect()),
        request: (!body.is_empty()).then(|| Bytes::copy_from_slice(body.as_bytes())),
        request_bytes: 1000,
        ..Exchange::default()
    }
}

fn redacted(mut exchange: Exchange) -> (Exchange, Redaction) {
    let mut redactor = Redactor::new(Policy::Default, 7);
    redactor.redact(&mut exchange);
    (exchange, redactor.account())
}

/// What replaces `value` under the key of these tests.
fn mask(value: &str) -> String {
    Mask::new(7).pseudonym("", value.as_bytes())
}

fn header<'a>(exchange: &'a Exchange, name: &str) -> &'a str {
    let headers = exchange.headers.as_deref().expect("headers");
    let header = headers.iter().find(|header| &*header.name == name).expect("the header");
    std::str::from_utf8(&header.value).expect("text")
}

fn body(exchange: &Exchange) -> &str {
    std::str::from_utf8(exchange.request.as_ref().expect("a body")).expect("text")
}

#[test]
fn headers_keep_what_is_not_secret() {
    let (masked, account) = redacted(exchange(
        "/",
        &[
            ("Authorization", "Bearer abc"),
            ("Cookie", "sid=1; theme=dark"),
            ("X-API-Key", "k"),
            ("X-Auth-Token", "t"),
            ("Accept", "*/*"),
            ("Referer", "http://a/b?token=x&c=d"),
            ("Content-Length", "5"),
        ],
        "hello",
    ));
    assert_eq!(header(&masked, "Authorization"), format!("Bearer {}", mask("abc")));
    assert_eq!(header(&masked, "Cookie"), format!("sid={}; theme={}", mask("1"), mask("dark")));
    assert_eq!(header(&masked, "X-API-Key"), mask("k"));
    assert_eq!(header(&masked, "X-Auth-Token"), mask("t"));
    assert_eq!(header(&masked, "Referer"), format!("http://a/b?token={}&c=d", mask("x")));
    assert_eq!((header(&masked, "Accept"), header(&masked, "Content-Length"), body(&masked)), ("*/*", "5", "hello"));
    assert!(masked.flags.has(Flag::Redacted));
    let counts: Vec<_> = account.masked.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(counts, [("cookie", 2), ("header", 3), ("query", 1)]);
}

#[test]
fn targets_lose_user_information_and_secret_parameters() {
    let target = |text: &str| redacted(exchange(text, &[], "")).0.target.into_string();
    assert_eq!(target("http://ann:pw@host:80/a@b"), format!("http://{}@host:80/a@b", mask("ann:pw")));
    assert_eq!(target("/a?q=1&api_key=s3&z"), format!("/a?q=1&api_key={}&z", mask("s3")));
    assert_eq!(target("/a?X-Amz-Signature=ff"), format!("/a?X-Amz-Signature={}", mask("ff")));
    for untouched in ["/a?q=token", "/a?page_token=3&max_tokens=5", "/token/a", "a.example:443", "/a?token="] {
        assert_eq!(target(untouched), untouched);
    }
}

#[test]
fn json_bodies_are_masked_in_place_and_framed_again() {
    let text = r#"{"user": "ann", "password" : "p\"w", "n":[{"access_token":12,"key":"city"}], "max_tokens":5}"#;
    let (masked, _) = redacted(exchange("/", &[("content-length", "99")], text));
    let wanted = text.replace(r#""p\"w""#, &format!("\"{}\"", mask(r#""p\"w""#))).replace("12", &format!("\"{}\"", mask("12")));
    assert_eq!(body(&masked), wanted);
    assert_eq!(header(&masked, "content-length"), wanted.len().to_string());
    assert_eq!(masked.request_bytes, 1000);
}

#[test]
fn everything_inside_a_secret_member_is_masked() {
    let json = |text: &str| body(&redacted(exchange("/", &[], text)).0).to_owned();
    let quoted = |value: &str| format!("\"{}\"", mask(value));
    assert_eq!(
        json(r#"{"credentials":{"a":["x",1],"b":null},"c":"x"}"#),
        format!(r#"{{"credentials":{{"a":[{},{}],"b":null}},"c":"x"}}"#, quoted("\"x\""), quoted("1"))
    );
    assert_eq!(json(r#"{"token":"cut sho"#), format!(r#"{{"token":{}"#, quoted("\"cut sho")));
    assert_eq!(json(r#"{"password":null,"a":"token"}"#), r#"{"password":null,"a":"token"}"#);
}

#[test]
fn forms_are_masked() {
    let content_type = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    let (masked, account) = redacted(exchange("/", &[content_type], "user=ann&password=pw"));
    assert_eq!(body(&masked), format!("user=ann&password={}", mask("pw")));
    assert_eq!(account.masked.get("form"), Some(&1));
}

#[test]
fn kept_responses_are_masked_too() {
    let mut answered = exchange("/login", &[], "");
    answered.response = Some(Bytes::from_static(br#"{"access_token":"t"}"#));
    let (masked, _) = redacted(answered);
    assert_eq!(masked.response.expect("kept"), format!("{{\"access_token\":\"{}\"}}", mask("\"t\"")));
}

/// A statement that was prepared tells where the secrets of the one that runs it are.
#[test]
fn secrets_of_statements_that_sql_prepares_are_masked() {
    let row = |protocol: &str, target: &str, method: &str, request: Vec<u8>| Exchange {
        protocol: protocol.into(),
        target: target.into(),
        method: method.into(),
        request: Some(request.into()),
        ..Exchange::default()
    };
    let query = |text: &str| {
        let mut out = Vec::new();
        wire::postgres::push_query(text, &mut out);
        out
    };
    let insert = "INSERT INTO u (name, password) VALUES ($1, $2)";
    let (row_is, _) = redacted(row("postgres", insert, "INSERT", query("EXECUTE p('ann', 'hunter2')")));
    assert_eq!(row_is.request.as_deref(), Some(&query(&format!("EXECUTE p('ann', '{}')", mask("hunter2")))[..]));

    let query = |text: &str| {
        let mut out = Vec::new();
        wire::mysql::push_message(0, &[b"\x03", text.as_bytes()].concat(), &mut out);
        out
    };
    let update = "UPDATE u SET password = 'hunter2' WHERE name = ?";
    let (row_is, _) =
        redacted(row("mysql", update, "PREPARE", query("PREPARE s FROM 'UPDATE u SET password = ''hunter2'' WHERE name = ?'")));
    let wanted = format!("PREPARE s FROM 'UPDATE u SET password = ''{}'' WHERE name = ?'", mask("hunter2"));
    assert_eq!(row_is.request.as_deref(), Some(&query(&wanted)[..]));
    let update = "UPDATE u SET password = ? WHERE name = ?";
    let (row_is, _) = redacted(row("mysql", update, "UPDATE", query("EXECUTE s USING @a, @b")));
    assert_eq!(row_is.request.as_deref(), Some(&query("EXECUTE s USING @a, @b")[..]), "nothing in it is secret");
}

#[test]
fn pseudonyms_depend_on_value_and_key_alone() {
    let name = |key, value: &str| Mask::new(key).pseudonym("", value.as_bytes());
    assert_eq!(name(1, "a"), name(1, "a"));
    assert_ne!(name(1, "a"), name(1, "b"));
    assert_ne!(name(1, "a"), name(2, "a"));
    // SipHash-2-4-128 of the bytes 00 01 02 … 0e under the key 00 01 … 0f, from the reference implementation's test vectors.
    let key = u128::from_le_bytes(std::array::from_fn(|index| index as u8));
    let input: Vec<u8> = (0..15).collect();
    let digest = Mask::new(key).pseudonym("", &input);
    let reference: [u8; 16] = [0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3, 0xd9];
    assert_eq!(digest, format!("redacted-{:032x}", u128::from_le_bytes(reference)));
}

#[test]
fn off_means_off() {
    let mut secret = exchange("/?token=a", &[("Cookie", "a=b")], "");
    let before = secret.clone();
    let mut redactor = Redactor::new(Policy::Off, 7);
    redactor.redact(&mut secret);
    assert_eq!((secret, redactor.account().policy.as_str()), (before, "off"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// No secret survives, whatever surrounds it and wherever the text is cut; and nothing panics.
    #[test]
    fn a_secret_never_survives(before in "[ -~]{0,30}", cut in any::<prop::sample::Index>(), secret in "[a-z]{12,20}") {
        let text = format!(r#"{{"x":{before:?},"list":[1,{{"api_key":"{secret}"}}],"y":1}}"#);
        let (masked, _) = redacted(exchange("/", &[], &text));
        prop_assert!(!body(&masked).contains(&secret));
        let cut = &text[..1 + cut.index(text.len() - 1)];
        let (masked, _) = redacted(exchange("/", &[], cut));
        prop_assert!(!body(&masked).contains(&secret));
    }

    #[test]
    fn other_text_stays_as_it_is(text in "[ -~]{0,60}") {
        prop_assume!(!names::is_secret_member(text.as_bytes()) && !text.contains(':') && !text.contains('&') && !text.contains('?'));
        let (masked, _) = redacted(exchange(&text, &[("X-Other", &text)], &text));
        prop_assert_eq!(masked, exchange(&text, &[("X-Other", &text)], &text));
    }
}
