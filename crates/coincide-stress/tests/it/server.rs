//! A small HTTP server on loopback for tests and benchmarks: it reads a request with a length, hands the body to a function and writes whatever that gives,
//! well-formed or not.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is written back.
#[allow(dead_code)]
pub enum Answer {
    /// These bytes, whole.
    Bytes(Vec<u8>),
    /// A beginning, then one piece again and again until the client hangs up.
    Flood { head: Vec<u8>, piece: Vec<u8> },
    /// Nothing.
    Silence,
    /// The bytes after a while.
    Late(std::time::Duration, Vec<u8>),
}

/// A response with a JSON body.
pub fn json(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A running server; it ends with the process.
pub struct Server {
    pub url: String,
    pub calls: Arc<AtomicU64>,
}

type Handler = Arc<dyn Fn(&str, &[u8]) -> Answer + Send + Sync>;

impl Server {
    /// Serves on a free port (or on `port`) with `threads` threads.
    pub fn start_on(port: u16, threads: usize, answer: impl Fn(&str, &[u8]) -> Answer + Send + Sync + 'static) -> Server {
        let calls = Arc::new(AtomicU64::new(0));
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (count, handler): (_, Handler) = (Arc::clone(&calls), Arc::new(answer));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&count), Arc::clone(&handler)));
                }
            });
        });
        Server { url, calls }
    }

    /// Serves on a free port.
    #[allow(dead_code)]
    pub fn start(answer: impl Fn(&str, &[u8]) -> Answer + Send + Sync + 'static) -> Server {
        Self::start_on(0, 2, answer)
    }

    #[allow(dead_code)]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn serve(mut stream: TcpStream, count: Arc<AtomicU64>, handler: Handler) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let (head, length) = loop {
            if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
                let length = head.lines().filter_map(|l| l.split_once(':')).find(|h| h.0.eq_ignore_ascii_case("content-length"));
                let length: usize = length.and_then(|h| h.1.trim().parse().ok()).unwrap_or(0);
                break (head, length);
            }
            if !matches!(stream.read_buf(&mut buffer).await, Ok(n) if n > 0) {
                return;
            }
        };
        let from = head.len() + 4;
        while buffer.len() < from + length {
            if !matches!(stream.read_buf(&mut buffer).await, Ok(n) if n > 0) {
                return;
            }
        }
        count.fetch_add(1, Ordering::Relaxed);
        let answer = handler(&head, &buffer[from..from + length]);
        buffer.drain(..from + length);
        match answer {
            Answer::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Answer::Flood { head, piece } => {
                let _ = stream.write_all(&head).await;
                while stream.write_all(&piece).await.is_ok() {}
                return;
            }
            Answer::Silence => tokio::time::sleep(std::time::Duration::from_secs(600)).await,
            Answer::Late(time, bytes) => {
                tokio::time::sleep(time).await;
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}
