//! More connections than one source address has ports.

use std::path::Path;
use std::process::{Command, Stdio};

use rehearsal_tests::{binary, finish, missing, run};

/// In a network of its own, where an address has 200 ports: serves, says what a replay over 1000 connections would take, replays, and
/// lists the local ends of what is or was connected.
const IN_A_SMALL_NETWORK: &str = r#"
set -e
ip link set lo up
echo "50000 50199" > /proc/sys/net/ipv4/ip_local_port_range
"$1" serve queue --workers 64 --service const:1ms --listen 127.0.0.1:7000 > "$2/server" &
server=$!
trap 'kill $server' EXIT
until grep -q http:// "$2/server"; do kill -0 $server; sleep 0.05; done
replay() { "$rehearsal" replay "$dir/t.parquet" --target http://127.0.0.1:7000 --no-check --max-connections 1000 "$@"; }
rehearsal=$1 dir=$2
replay --dry-run
replay -o "$dir/run" || [ $? = 1 ]
awk '$3 ~ /:1B58$/ { split($2, end, ":"); print "local", end[1] }' /proc/net/tcp
"#;

#[test]
fn connections_beyond_the_ports_of_one_address_go_out_from_several() {
    let able = Command::new("unshare").args(["-rn", "ip", "link"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if missing("a network namespace (unshare -rn)", able.is_ok_and(|status| status.success())) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let text = |path: &Path| path.to_str().expect("test paths are UTF-8").to_owned();
    let (template, trace) = (dir.path().join("plan.json"), dir.path().join("t.parquet"));
    std::fs::write(&template, r#"{"sessions":[{"name":"s","steps":[{"method":"GET","path":"/a"}]}]}"#).expect("room on disk");
    let words = ["synth", "-o", &text(&trace), "--template", &text(&template), "--requests", "1500", "--rate", "500"];
    let _ = run(&words).expect_code(0);

    let mut command = Command::new("unshare");
    command.args(["-rn", "sh", "-c", IN_A_SMALL_NETWORK, "sh", &text(&binary()), &text(dir.path())]);
    let said = finish(&mut command).expect_code(0);
    // 150 of 200 ports each: 1000 connections need 7 addresses.
    assert!(said.out.contains("ports        1000 of 1400, going out from 7 loopback addresses"), "{}", said.out);
    assert!(said.out.contains("1500 sent, 1500 good"), "{}", said.out);
    let mut from: Vec<&str> = said.out.lines().filter_map(|line| line.strip_prefix("local ")).collect();
    assert!(from.len() >= 1000, "{} connections", from.len());
    from.sort_unstable();
    from.dedup();
    let wanted: Vec<String> = (1..=7).map(|last| format!("0{last}00007F")).collect();
    assert_eq!(from, wanted, "the local ends, as the kernel writes addresses");
}
