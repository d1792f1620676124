use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    for client in TcpListener::bind("127.0.0.1:8080")?.incoming() {
        let mut client = client?;
        let mut head = BufReader::new(client.try_clone()?).lines();
        while head.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let _ = client.write_all(b"HTTP/1.0 200 OK\r\n\r\nrelease 1\n");
    }
    Ok(())
}
