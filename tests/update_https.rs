//! `vlunet bundle fetch` over TLS: certificates that the system trusts, and those that it doesn't.
#![cfg(all(target_os = "linux", feature = "fetch"))]

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/program.rs"]
mod program;

use program::{Run, Workplace};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// A folder with a trusted key `keys/maker.pub` and a signed bundle.
fn with_bundle() -> (Workplace, Vec<u8>) {
    let workplace = Workplace::new();
    workplace.write("keys/README", "");
    workplace.succeed(&["bundle", "keygen", "maker", "--no-password"]);
    std::fs::copy(workplace.path("maker.pub"), workplace.path("keys/maker.pub")).unwrap();
    bundle::builder(bundle::identity()).write(&workplace.path("tiny.vlu")).unwrap();
    workplace.succeed(&["bundle", "sign", "--key", "maker.key", "tiny.vlu"]);
    let bytes = std::fs::read(workplace.path("tiny.vlu")).unwrap();
    (workplace, bytes)
}

/// Serves these bytes on localhost, with a certificate that `change` has its way with, of an
/// authority whose own certificate becomes `ca.pem`.
fn serve(workplace: &Workplace, bytes: Vec<u8>, change: fn(&mut CertificateParams)) -> SocketAddr {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    workplace.write("ca.pem", authority.self_signed(&authority_key).unwrap().pem());
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
            let (mut asked, mut byte) = (Vec::new(), [0]);
            // A client that refuses us goes away.
            while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                asked.push(byte[0]);
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", bytes.len());
            let _ = stream.write_all(&[head.as_bytes(), &bytes].concat());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    address
}

fn fetch(workplace: &Workplace, address: SocketAddr, trusted: &str) -> Run {
    let url = format!("https://localhost:{}/tiny.vlu", address.port());
    let line = format!(
        "SSL_CERT_FILE={trusted} SSL_CERT_DIR=/nowhere $VLUNET bundle fetch {url} --keys keys --store models \
         --size 16x16 --attempts 1"
    );
    workplace.shell(&line)
}

#[test]
fn a_certificate_that_the_system_trusts_will_do() {
    let (workplace, bytes) = with_bundle();
    let address = serve(&workplace, bytes, |_| {});
    let run = fetch(&workplace, address, "ca.pem");
    assert!(run.code == Some(0) && run.stdout.contains("signed with maker.pub"), "{run:?}");
    assert!(workplace.path("models/tiny/current/manifest.toml").exists());
}

#[test]
fn one_that_nobody_knows_or_that_is_for_another_time_or_name_is_refused() {
    let changes: [fn(&mut CertificateParams); 3] = [
        // What every certificate is to a clock in 1970.
        |params| params.not_before = date_time_ymd(2200, 1, 1),
        |params| {
            (params.not_before, params.not_after) = (date_time_ymd(1990, 1, 1), date_time_ymd(1991, 1, 1))
        },
        |params| {
            params.subject_alt_names = vec![rcgen::SanType::DnsName("elsewhere.example".try_into().unwrap())]
        },
    ];
    for change in changes {
        let (workplace, bytes) = with_bundle();
        let address = serve(&workplace, bytes, change);
        let run = fetch(&workplace, address, "ca.pem");
        run.assert_one_clear_line(&["https://localhost", "certificate", "is the date right?"]);
    }
    let (workplace, bytes) = with_bundle();
    let address = serve(&workplace, bytes, |_| {});
    std::fs::copy(workplace.path("ca.pem"), workplace.path("known.pem")).unwrap();
    // Another authority than that of the server.
    serve(&workplace, Vec::new(), |_| {});
    fetch(&workplace, address, "ca.pem").assert_one_clear_line(&["https://localhost", "certificate"]);
    assert_eq!(fetch(&workplace, address, "known.pem").code, Some(0));
}
