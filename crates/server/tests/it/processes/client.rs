//! The least of an HTTP client: blocking, one connection that is kept, no retries. What a test learns from a broken
//! connection is the point here, so nothing may hide it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

pub struct Client {
    address: SocketAddr,
    key: String,
    connection: Option<BufReader<TcpStream>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

impl Client {
    pub fn new(address: SocketAddr, key: &str) -> Self {
        Client {
            address,
            key: key.to_owned(),
            connection: None,
        }
    }

    /// Another client of the same server.
    pub fn with_key(&self, key: &str) -> Self {
        Client::new(self.address, key)
    }

    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.call("GET", path, None)
    }

    pub fn post(&mut self, path: &str, body: &Value) -> io::Result<Answer> {
        self.call("POST", path, Some(body))
    }

    /// An error means that no whole answer came: whether the server did what it was asked is not known then.
    pub fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => BufReader::new(connect(self.address)?),
        };
        let body = body.map_or_else(String::new, Value::to_string);
        let head = head(method, path, &self.key, body.len());
        connection
            .get_mut()
            .write_all(format!("{head}\r\n{body}").as_bytes())?;
        let answer = read_answer(&mut connection)?;
        if answer.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The lines of a request before its empty one.
pub fn head(method: &str, path: &str, key: &str, body_bytes: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: plinth\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {body_bytes}\r\n"
    )
}

/// Reads one answer; an interim one (`100 Continue`) counts as one without a body.
pub fn read_answer(connection: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let status = line(connection)?;
    let status = status.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let mut headers = Vec::new();
    while let Some((name, value)) = line(connection)?.split_once(':') {
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Value::Null,
    };
    let length = answer.header("content-length").and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    connection.read_exact(&mut body)?;
    if !body.is_empty() {
        answer.body = serde_json::from_slice(&body).map_err(io::Error::other)?;
    }
    Ok(answer)
}

/// A line without its end, which is there: half a line is an answer that was cut off.
fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let whole = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(whole.to_owned())
}
