//! A line to PostgreSQL that can be cut, and that can fall silent.

use std::future::pending;
use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What happens to connections, those there are and those to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Open,
    /// They break off at once.
    Cut,
    /// What is sent gets lost, as when a host vanishes: nobody says that nobody is there. Such a connection never comes
    /// to life again.
    Silent,
}

pub struct Proxy {
    pub address: SocketAddr,
    line: watch::Sender<Line>,
    _runtime: Runtime,
}

impl Proxy {
    /// Carries connections to `target`, a host and a port.
    pub fn to(target: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (line, state) = watch::channel(Line::Open);
        runtime.spawn(carry_all(listener, target.to_owned(), state));
        Proxy {
            address,
            line,
            _runtime: runtime,
        }
    }

    pub fn turn(&self, line: Line) {
        self.line.send_replace(line);
    }
}

async fn carry_all(listener: TcpListener, target: String, state: watch::Receiver<Line>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(carry(near, target.clone(), state.clone()));
    }
}

async fn carry(mut near: TcpStream, target: String, mut state: watch::Receiver<Line>) {
    if *state.borrow() == Line::Open {
        let Ok(mut far) = TcpStream::connect(target).await else {
            return;
        };
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            _ = state.wait_for(|line| *line != Line::Open) => {}
        }
    }
    if *state.borrow() == Line::Silent {
        pending::<()>().await;
    }
}
