//! A web server on this machine that keeps what it is sent.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_default().to_owned()
    }
}

/// What came, and where it listens.
pub(super) struct Receiver {
    pub(super) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    /// Answers the requests with these statuses one after the other, the last one for ever; with
    /// none, never.
    pub(super) async fn listen(statuses: &'static [u16], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (tls, kept) = (tls.clone(), Arc::clone(&kept));
                tokio::spawn(async move {
                    match tls {
                        None => serve(socket, statuses, &kept).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(socket).await else { return };
                            serve(stream, statuses, &kept).await;
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    statuses: &[u16],
    kept: &Mutex<Vec<Request>>,
) {
    let mut request = Request::default();
    while !request.head.ends_with("\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        request.head.push(byte.into());
    }
    let mut body = vec![0; request.header("content-length").parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    request.body = String::from_utf8(body).unwrap();
    let count = {
        let mut kept = kept.lock().unwrap();
        kept.push(request);
        kept.len()
    };
    let Some(status) = statuses.get(count - 1).or(statuses.last()) else {
        return std::future::pending().await;
    };
    let answer = format!(
        "HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Waits for something that happens elsewhere.
pub(super) async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::task::yield_now().await;
    }
}
