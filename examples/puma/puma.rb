workers 2
rackup "config.ru"
bind "tcp://127.0.0.1:8080"
bind "unix://#{Dir.pwd}/tmp/sockets/puma.sock"
