"""HTTP/1.1 in: llhttp (httptools) over trio sockets, and an application behind it for each port.

server → connection → application (`inference` on the data port, `control` on the control port).
"""
