//! Property tests of forwarded addresses: no header makes the parser panic, an untrusted peer cannot
//! claim another address, and what stands left of the first untrusted address changes nothing.

use axum::http::HeaderValue;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const ADDRESSES: [&str; 8] = [
    "10.0.0.1",
    "10.9.9.9",
    "::ffff:10.1.1.1",
    "198.51.100.9",
    "198.51.100.9:4711",
    "[2001:db8::7]:443",
    "2001:db8::7",
    "::1",
];

fn trusted() -> [Network; 2] {
    ["10.0.0.0/8", "::1"].map(|range| Network::parse(range).expect(range))
}

/// A line of the header: addresses and anything else.
fn line() -> impl Strategy<Value = String> {
    let entry = prop_oneof![
        4 => select(&ADDRESSES[..]).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
        1 => any::<IpAddr>().prop_map(|address| address.to_string()),
    ];
    vec(entry, 0..4).prop_map(|entries| entries.join(", "))
}

fn resolved(peer: IpAddr, lines: &[String]) -> IpAddr {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("x-forwarded-for", HeaderValue::from_str(line).expect("a header"));
    }
    client(peer, &headers, &trusted()).address
}

proptest! {
    #[test]
    fn any_header_is_read(peer in any::<IpAddr>(), bytes in vec(any::<u8>(), 0..60)) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            headers.append("x-forwarded-for", value.clone());
            headers.append("x-forwarded-proto", value);
        }
        client(peer, &headers, &trusted());
    }

    #[test]
    fn an_untrusted_peer_is_its_own_address(peer in any::<IpAddr>(), lines in vec(line(), 0..4)) {
        let peer = peer.to_canonical();
        prop_assume!(!trusted().iter().any(|network| network.contains(peer)));
        prop_assert_eq!(resolved(peer, &lines), peer);
    }

    #[test]
    fn what_an_untrusted_client_wrote_changes_nothing(
        lines in vec(line(), 0..4),
        forged in vec(line(), 1..3),
    ) {
        let peer = IpAddr::from([10, 0, 0, 1]);
        let address = resolved(peer, &lines);
        prop_assume!(!trusted().iter().any(|network| network.contains(address)));
        let all: Vec<_> = forged.iter().chain(&lines).cloned().collect();
        prop_assert_eq!(resolved(peer, &all), address);
    }
}
