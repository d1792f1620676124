const cluster = require('cluster');
const http = require('http');
const { version } = require('ms/package.json');

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
  cluster.on('exit', () => cluster.fork());
} else {
  const answer = (request, response) => response.end(`release 1, ms ${version}\n`);
  http.createServer(answer).listen(8080, '127.0.0.1');
}
