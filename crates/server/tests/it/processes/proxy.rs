//! A cable to PostgreSQL that can be pulled: while it is, connections break off and new ones are dropped at once.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub struct Proxy {
    pub address: SocketAddr,
    plugged_in: watch::Sender<bool>,
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
        let (plugged_in, state) = watch::channel(true);
        runtime.spawn(carry_all(listener, target.to_owned(), state));
        Proxy {
            address,
            plugged_in,
            _runtime: runtime,
        }
    }

    pub fn cut(&self) {
        self.plugged_in.send_replace(false);
    }

    pub fn restore(&self) {
        self.plugged_in.send_replace(true);
    }
}

async fn carry_all(listener: TcpListener, target: String, state: watch::Receiver<bool>) {
    while let Ok((near, _)) = listener.accept().await {
        if *state.borrow() {
            tokio::spawn(carry(near, target.clone(), state.clone()));
        }
    }
}

async fn carry(mut near: TcpStream, target: String, mut state: watch::Receiver<bool>) {
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = state.wait_for(|plugged_in| !plugged_in) => {}
    }
}
