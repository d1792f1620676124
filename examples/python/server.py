from http.server import BaseHTTPRequestHandler, HTTPServer


class Greeter(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"release 1\n")


HTTPServer(("127.0.0.1", 8080), Greeter).serve_forever()
