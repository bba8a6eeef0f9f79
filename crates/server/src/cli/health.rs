//! `plinth health`: asks the running server, over plain HTTP on the address it listens on.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use runtime::config::Config;
use types::{Error, Result};

use super::output;
use crate::serve::ADDRESS_FILE;

/// A server that takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(5);
/// No answer of this endpoint comes near it.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Prints what the server says of itself; fails unless it says 200.
pub(super) fn run(config: &Config) -> Result<ExitCode> {
    let address = callable(address(config));
    let answer = ask(address).map_err(|error| {
        Error::unavailable(format!(
            "No server answers at http://{address}/healthz: {error}. Start it with `plinth serve`, or name its \
             --data-dir or --listen."
        ))
        .with_source(error)
    })?;
    let (status, body) = read(&answer).ok_or_else(|| {
        Error::unavailable(format!(
            "What answers at http://{address} speaks no HTTP: it is not plinth."
        ))
    })?;
    output::print(body)?;
    Ok(if status == 200 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The address that the server of this data directory wrote down, for the port may have been the system's choice; the
/// configured one where there is none.
fn address(config: &Config) -> SocketAddr {
    let written = std::fs::read_to_string(config.server.data_dir.join(ADDRESS_FILE));
    written
        .ok()
        .and_then(|text| text.trim().strip_prefix("http://")?.parse().ok())
        .unwrap_or(config.server.listen)
}

/// "Every interface" can be listened on and not called.
fn callable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // HTTP/1.0: the answer comes in one piece, and the connection ends with it.
    write!(
        stream,
        "GET /healthz HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn read(answer: &str) -> Option<(u16, &str)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    let speaks_http = words.next()?.starts_with("HTTP/1.");
    let status = words.next()?.parse().ok()?;
    speaks_http.then_some((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_status_and_body() {
        assert_eq!(
            read("HTTP/1.0 503 Service Unavailable\r\na: b\r\n\r\n{}"),
            Some((503, "{}"))
        );
        assert_eq!(read("SSH-2.0-OpenSSH_9.2\r\n\r\n"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn every_interface_is_called_on_this_machine() {
        let call = |text: &str| callable(text.parse().unwrap()).to_string();
        assert_eq!(call("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(call("[::]:80"), "[::1]:80");
        assert_eq!(call("192.0.2.1:80"), "192.0.2.1:80");
    }
}
