// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_http1.c - heads good and bad, and all their prefixes: INCOMPLETE up to the decisive byte,
 * the verdict from there on. Every input lies in a heap block of its exact length: ASan sees a
 * read behind the block.
 */
#include "l7/http1.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A literal with its length, since it may hold NULs */
#define LIT(text) (text), sizeof(text) - 1

#define GET11 "GET / HTTP/1.1\r\n"
#define HOST_A "Host: a\r\n"

struct good {
	const char *text;
	size_t len; /* of the head */
	const char *method;
	const char *target;
	const char *path; /* NULL: none */
	const char *host; /* NULL: none */
	int minor;
	size_t header_count;
};

static const struct good goods[] = {
	{LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "GET", "/", "/", "a", 1, 1},
	{LIT("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "GET", "/", "/", "a", 1, 1},
	{LIT("GET / HTTP/1.0\r\n\r\n"), "GET", "/", "/", NULL, 0, 0},
	{LIT("GET / HTTP/1.0\r\nhOST: a.b\r\n\r\n"), "GET", "/", "/", "a.b", 0, 1},
	{LIT("get /v1/x?a=/b?c HTTP/1.1\r\nHost:www.Example.org:8080\r\n\r\n"), "get",
	 "/v1/x?a=/b?c", "/v1/x", "www.Example.org", 1, 1},
	{LIT("M-SEARCH /%7e|{}[]\\^`\"<> HTTP/1.1\r\nHost: a\r\n\r\n"), "M-SEARCH",
	 "/%7e|{}[]\\^`\"<>", "/%7e|{}[]\\^`\"<>", "a", 1, 1},
	{LIT("GET //x HTTP/1.1\r\nHost: a_b-c.example.\r\n\r\n"), "GET", "//x", "//x",
	 "a_b-c.example.", 1, 1},
	{LIT("GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n"), "GET", "/", "/", "[2001:db8::1]", 1,
	 1},
	{LIT("GET / HTTP/1.1\r\nHost: [::ffff:192.0.2.1]:65535\r\n\r\n"), "GET", "/", "/",
	 "[::ffff:192.0.2.1]", 1, 1},
	{LIT("GET / HTTP/1.1\r\nHost:\t 192.0.2.1:80 \t\r\n\r\n"), "GET", "/", "/", "192.0.2.1", 1,
	 1},
	{LIT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "OPTIONS", "*", NULL, "a", 1, 1},
	{LIT("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"), "OPTIONS", "http://a", NULL, "a", 1,
	 1},
	{LIT("OPTIONS http://a? HTTP/1.1\r\nHost: a\r\n\r\n"), "OPTIONS", "http://a?", "", "a", 1,
	 1},
	{LIT("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n"), "CONNECT", "a.b:443", NULL,
	 "a.b", 1, 1},
	{LIT("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b\r\n\r\n"), "CONNECT", "a.b:443", NULL, "a.b", 1,
	 1}, /* RFC 9110, 9.3.6 */
	/* RFC 3986, 3.2.3 */
	{LIT("GET / HTTP/1.1\r\nHost: a:\r\n\r\n"), "GET", "/", "/", "a", 1, 1},
	{LIT("GET http://a:/ HTTP/1.1\r\nHost: a:80\r\n\r\n"), "GET", "http://a:/", "/", "a", 1, 1},
	{LIT("GET http://a:080/ HTTP/1.1\r\nHost: a\r\n\r\n"), "GET", "http://a:080/", "/", "a", 1,
		1},
	{LIT("GET / HTTP/1.1\r\nHost: a:0000120\r\n\r\n"), "GET", "/", "/", "a", 1, 1},
	{LIT("GET / HTTP/1.1\r\nHost: a!$&'()*+,;=~_-.b\r\n\r\n"), "GET", "/", "/",
	 "a!$&'()*+,;=~_-.b", 1, 1}, /* RFC 3986, 3.2.2 */
	{LIT("GET / HTTP/1.1\r\nHost: %C3%a4.example\r\n\r\n"), "GET", "/", "/", "%C3%a4.example",
		1,
	 1},
	{LIT("CONNECT [::1]:22 HTTP/1.0\r\n\r\n"), "CONNECT", "[::1]:22", NULL, "[::1]", 0, 0},
	{LIT("GET http://[2001:db8::1]/ HTTP/1.1\r\nHost: [2001:DB8:0::1]\r\n\r\n"), "GET",
	 "http://[2001:db8::1]/", "/", "[2001:DB8:0::1]", 1, 1}, /* RFC 5952, 4 */
	{LIT("GET http://a/x?y HTTP/1.1\r\nHost: A\r\n\r\n"), "GET", "http://a/x?y", "/x", "A", 1,
	 1},
	{LIT("GET HTTP://a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), "GET", "HTTP://a:80", "", "a", 1, 1},
	{LIT("GET https://a?q HTTP/1.1\r\nHost: a:443\r\n\r\n"), "GET", "https://a?q", "", "a", 1,
	 1},
	{LIT("GET http://a:81/ HTTP/1.0\r\n\r\n"), "GET", "http://a:81/", "/", "a", 0, 0},
	{LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n"), "POST",
	 "/", "/", "a", 1, 2},
	{LIT("POST / HTTP/1.0\r\ncontent-length:0 \r\n\r\n"), "POST", "/", "/", NULL, 0, 1},
	{LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"), "POST", "/", "/",
	 "a", 1, 2},
	{LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\t, chunked \r\n\r\n"), "POST",
	 "/", "/", "a", 1, 2},
	{LIT("GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \r\nZ:\t\x80\xff a \t b\t\r\n\r\n"), "GET", "/",
	 "/", "a", 1, 4},
	{LIT("GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~0aZ: x\r\nHost: a\r\nhostx: b\r\n\r\n"), "GET", "/",
	 "/", "a", 1, 3},
};

/* @decisive: length of the shortest prefix beyond repair; 0: the whole text */
struct wrong {
	const char *text;
	size_t len;
	const char *why;
	size_t decisive;
};

#define UPTO(text) (sizeof(text) - 1)

static const struct wrong wrongs[] = {
	/* the request line */
	{LIT("\x16\x03\x01\x02\x00\x01"), "control character", 1},
	{LIT("\0"), "NUL character", 1},
	{LIT(" GET / HTTP/1.1\r\n"), "no method", 1},
	{LIT("\nGET / HTTP/1.1\r\n"), "LF without CR", 1},
	{LIT("\rGET / HTTP/1.1\r\n"), "CR without LF", 2},
	{LIT("\r\n\r\nGET / HTTP/1.1\r\n"), "no method", 3},
	{LIT("\x80GET / HTTP/1.1\r\n"), "no method", 1},
	{LIT("G(T / HTTP/1.1\r\n"), "malformed method", 2},
	{LIT("GET\t/ HTTP/1.1\r\n"), "malformed method", 4},
	{LIT("GET\r\n"), "malformed method", 4},
	{LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "preface of HTTP/2", 4},
	{LIT("SSH-2.0-OpenSSH_9.2p1\r\n"), "malformed method", UPTO("SSH-2.0-OpenSSH_9.2p1\r")},
	{LIT("GET  / HTTP/1.1\r\n"), "malformed request target", 5},
	{LIT("GET /\r\n"), "malformed request target", 6},
	{LIT("GET /\n"), "LF without CR", 6},
	{LIT("GET /\tHTTP/1.1\r\n"), "malformed request target", 6},
	{LIT("GET /a\0b HTTP/1.1\r\n"), "NUL character", 7},
	{LIT("GET /a\x7f HTTP/1.1\r\n"), "control character", 7},
	{LIT("GET /a\x80 HTTP/1.1\r\n"), "malformed request target", 7},
	{LIT("GET /a#b HTTP/1.1\r\n"), "malformed request target", 7},
	{LIT("GET /?a#b HTTP/1.1\r\n"), "malformed request target", 8},
	{LIT("GET foo HTTP/1.1\r\n"), "malformed request target", 5},
	{LIT("GET * HTTP/1.1\r\n"), "malformed request target", 5},
	{LIT("OPTIONS */ HTTP/1.1\r\n"), "malformed request target", 10},
	{LIT("GET ftp://a/ HTTP/1.1\r\n"), "malformed request target", 5},
	{LIT("GET httpx://a/ HTTP/1.1\r\n"), "malformed request target", 9},
	{LIT("GET http:/a HTTP/1.1\r\n"), "malformed request target", 11},
	{LIT("GET http:///x HTTP/1.1\r\n"), "no host name", 12},
	{LIT("GET http://u@a/ HTTP/1.1\r\n"), "malformed request target", 13},
	{LIT("GET http://a:b@c/ HTTP/1.1\r\n"), "malformed request target", 14},
	{LIT("GET http://a#x HTTP/1.1\r\n"), "malformed request target", 13},
	{LIT("CONNECT a HTTP/1.1\r\n"), "CONNECT without port", 10},
	{LIT("CONNECT a: HTTP/1.1\r\n"), "CONNECT without port", 11},
	{LIT("CONNECT /x HTTP/1.1\r\n"), "no host name", 9},
	{LIT("CONNECT a:1/x HTTP/1.1\r\n"), "malformed request target", 12},
	{LIT("GET /  HTTP/1.1\r\n"), "not HTTP/1.0 or HTTP/1.1", 7},
	{LIT("GET / a HTTP/1.1\r\n"), "not HTTP/1.0 or HTTP/1.1", 7},
	{LIT("GET / http/1.1\r\n"), "not HTTP/1.0 or HTTP/1.1", 7},
	{LIT("GET / HTTP/0.9\r\n"), "not HTTP/1.0 or HTTP/1.1", 12},
	{LIT("GET / HTTP/2.0\r\n"), "not HTTP/1.0 or HTTP/1.1", 12},
	{LIT("GET / HTTP/1.2\r\n"), "not HTTP/1.0 or HTTP/1.1", 14},
	{LIT("GET / HTTP/1.10\r\n"), "characters behind the version", 15},
	{LIT("GET / HTTP/1.1 \r\n"), "characters behind the version", 15},
	{LIT("GET / HTTP/1.1\n"), "LF without CR", 15},
	{LIT("GET / HTTP/1.1\r\r\n"), "CR without LF", 16},
	{LIT("GET / HTTP/1.1\rHost: a\r\n\r\n"), "CR without LF", 16},
	/* lines, names, values */
	{LIT(GET11 " X: y\r\n" HOST_A "\r\n"), "folded line", UPTO(GET11 " ")},
	{LIT(GET11 HOST_A "\tx\r\n\r\n"), "folded line", UPTO(GET11 HOST_A "\t")},
	{LIT(GET11 HOST_A "X: y\r\n z\r\n\r\n"), "folded line", UPTO(GET11 HOST_A "X: y\r\n ")},
	{LIT(GET11 "Host : a\r\n\r\n"), "blank before a header's colon", UPTO(GET11 "Host ")},
	{LIT(GET11 "Host\t: a\r\n\r\n"), "blank before a header's colon", UPTO(GET11 "Host\t")},
	{LIT(GET11 ": a\r\n\r\n"), "empty header name", UPTO(GET11 ":")},
	{LIT(GET11 "\0: a\r\n\r\n"), "NUL character", UPTO(GET11 "\0")},
	{LIT(GET11 "X\r\n\r\n"), "invalid character in a header's name", UPTO(GET11 "X\r")},
	{LIT(GET11 "X(: a\r\n\r\n"), "invalid character in a header's name", UPTO(GET11 "X(")},
	{LIT(GET11 "X\xc3: a\r\n\r\n"), "invalid character in a header's name",
	 UPTO(GET11 "X\xc3")},
	{LIT(GET11 "X\0: a\r\n\r\n"), "NUL character", UPTO(GET11 "X\0")},
	{LIT(GET11 "X\x0b: a\r\n\r\n"), "control character", UPTO(GET11 "X\x0b")},
	{LIT(GET11 HOST_A "X: a\nY: b\r\n\r\n"), "LF without CR", UPTO(GET11 HOST_A "X: a\n")},
	{LIT(GET11 HOST_A "X: a\rb\r\n\r\n"), "CR without LF", UPTO(GET11 HOST_A "X: a\rb")},
	{LIT(GET11 HOST_A "X: a\0b\r\n\r\n"), "NUL character", UPTO(GET11 HOST_A "X: a\0")},
	{LIT(GET11 HOST_A "X: a\x1b\r\n\r\n"), "control character", UPTO(GET11 HOST_A "X: a\x1b")},
	{LIT(GET11 HOST_A "X: a\x7f\r\n\r\n"), "control character", UPTO(GET11 HOST_A "X: a\x7f")},
	{LIT(GET11 HOST_A "\n"), "LF without CR", 0},
	{LIT(GET11 HOST_A "\r\r"), "CR without LF", 0},
	/* Host */
	{LIT(GET11 "\r\n"), "no Host", UPTO(GET11 "\r")},
	{LIT(GET11 "X-Host: a\r\n\r\n"), "no Host", UPTO(GET11 "X-Host: a\r\n\r")},
	{LIT(GET11 HOST_A "host: a\r\n\r\n"), "Host given twice", UPTO(GET11 HOST_A "host:")},
	{LIT("GET / HTTP/1.0\r\n" HOST_A HOST_A "\r\n"), "Host given twice",
	 UPTO("GET / HTTP/1.0\r\n" HOST_A "Host:")},
	{LIT(GET11 "Host:\r\n\r\n"), "no host name", UPTO(GET11 "Host:\r")},
	{LIT(GET11 "Host: :80\r\n\r\n"), "no host name", UPTO(GET11 "Host: :")},
	{LIT(GET11 "Host: a b\r\n\r\n"), "malformed Host", UPTO(GET11 "Host: a b")},
	{LIT(GET11 "Host: a/b\r\n\r\n"), "malformed Host", UPTO(GET11 "Host: a/")},
	{LIT(GET11 "Host: u@b\r\n\r\n"), "malformed Host", UPTO(GET11 "Host: u@")},
	{LIT(GET11 "Host: a%41\r\n\r\n"), "escape of ASCII in host name", UPTO(GET11 "Host: a%4")},
	{LIT(GET11 "Host: a%\r\n\r\n"), "malformed escape in host name", UPTO(GET11 "Host: a%\r")},
	{LIT(GET11 "Host: a%cg\r\n\r\n"), "malformed escape in host name",
		UPTO(GET11 "Host: a%cg")},
	{LIT(GET11 "Host: a%c3%\0\r\n\r\n"), "NUL character", UPTO(GET11 "Host: a%c3%\0")},
	{LIT(GET11 "Host: \xc3\xa4\r\n\r\n"), "no host name", UPTO(GET11 "Host: \xc3")},
	{LIT(GET11 "Host: a\0\r\n\r\n"), "NUL character", UPTO(GET11 "Host: a\0")},
	{LIT(GET11 "Host: .a\r\n\r\n"), "empty label in host name", UPTO(GET11 "Host: .")},
	{LIT(GET11 "Host: a..b\r\n\r\n"), "empty label in host name", UPTO(GET11 "Host: a..")},
	{LIT(GET11 "Host: a:x\r\n\r\n"), "malformed Host", UPTO(GET11 "Host: a:x")},
	{LIT(GET11 "Host: a::80\r\n\r\n"), "malformed Host", UPTO(GET11 "Host: a::")},
	{LIT(GET11 "Host: a:0\r\n\r\n"), "port 0", UPTO(GET11 "Host: a:0\r")},
	{LIT(GET11 "Host: a:000\r\n\r\n"), "port 0", UPTO(GET11 "Host: a:000\r")},
	{LIT(GET11 "Host: a:80:80\r\n\r\n"), "malformed Host", UPTO(GET11 "Host: a:80:")},
	{LIT(GET11 "Host: a:65536\r\n\r\n"), "port out of range", UPTO(GET11 "Host: a:65536")},
	{LIT(GET11 "Host: []\r\n\r\n"), "malformed IPv6 literal", UPTO(GET11 "Host: []")},
	{LIT(GET11 "Host: [1::2::3]\r\n\r\n"), "malformed IPv6 literal",
	 UPTO(GET11 "Host: [1::2::3]")},
	{LIT(GET11 "Host: [fe80::1%25eth0]\r\n\r\n"), "zone in an IPv6 literal",
	 UPTO(GET11 "Host: [fe80::1%")},
	{LIT(GET11 "Host: [v1.a:b]\r\n\r\n"), "IP literal of a kind that is not known",
	 UPTO(GET11 "Host: [v")},
	{LIT(GET11 "Host: [::\0]\r\n\r\n"), "NUL character", UPTO(GET11 "Host: [::\0")},
	{LIT(GET11 "Host: [0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]\r\n\r\n"),
	 "malformed IPv6 literal",
	 UPTO(GET11 "Host: [0000:0000:0000:0000:0000:0000:0000:0000:0000:0")},
	{LIT(GET11 "Host: [::1]x\r\n\r\n"), "malformed Host", UPTO(GET11 "Host: [::1]x")},
	/* Host against the target */
	{LIT("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"), "Host is not the target's",
	 UPTO("GET http://a/ HTTP/1.1\r\nHost: b\r")},
	{LIT("GET http://[::1]/ HTTP/1.1\r\nHost: [::2]\r\n\r\n"), "Host is not the target's",
	 UPTO("GET http://[::1]/ HTTP/1.1\r\nHost: [::2]\r")},
	{LIT("GET http://a/ HTTP/1.1\r\nHost: a.\r\n\r\n"), "Host is not the target's",
	 UPTO("GET http://a/ HTTP/1.1\r\nHost: a.\r")},
	{LIT("GET http://a/ HTTP/1.1\r\nHost: a:81\r\n\r\n"), "Host is not the target's",
	 UPTO("GET http://a/ HTTP/1.1\r\nHost: a:81\r")},
	{LIT("GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n"), "Host is not the target's",
	 UPTO("GET https://a/ HTTP/1.1\r\nHost: a:80\r")},
	{LIT("GET http://a/ HTTP/1.1\r\n\r\n"), "no Host", UPTO("GET http://a/ HTTP/1.1\r\n\r")},
	{LIT("GET http://a/ HTTP/1.0\r\nHost: b\r\n\r\n"), "Host is not the target's",
	 UPTO("GET http://a/ HTTP/1.0\r\nHost: b\r")},
	{LIT("CONNECT a:443 HTTP/1.1\r\nHost: a:80\r\n\r\n"), "Host is not the target's",
	 UPTO("CONNECT a:443 HTTP/1.1\r\nHost: a:80\r")},
	{LIT("CONNECT a:443 HTTP/1.1\r\nHost: b\r\n\r\n"), "Host is not the target's",
	 UPTO("CONNECT a:443 HTTP/1.1\r\nHost: b\r")},
	/* the length of the message */
	{LIT(GET11 "Content-Length:\r\n"), "Content-Length is not a number",
	 UPTO(GET11 "Content-Length:\r")},
	{LIT(GET11 "Content-Length: +1\r\n"), "Content-Length is not a number",
	 UPTO(GET11 "Content-Length: +")},
	{LIT(GET11 "Content-Length: -1\r\n"), "Content-Length is not a number",
	 UPTO(GET11 "Content-Length: -")},
	{LIT(GET11 "Content-Length: 0x1\r\n"), "Content-Length is not a number",
	 UPTO(GET11 "Content-Length: 0x")},
	{LIT(GET11 "Content-Length: 1 2\r\n"), "Content-Length is not a number",
	 UPTO(GET11 "Content-Length: 1 2")},
	{LIT(GET11 "Content-Length: 5, 6\r\n"), "Content-Length is not a number",
	 UPTO(GET11 "Content-Length: 5,")},
	{LIT(GET11 "Content-Length: 5,5\r\n"), "Content-Length is not a number",
	 UPTO(GET11 "Content-Length: 5,")},
	{LIT(GET11 "Content-Length: 9223372036854775808\r\n"), "Content-Length overflows",
	 UPTO(GET11 "Content-Length: 9223372036854775808")},
	{LIT(GET11 "Content-Length: 18446744073709551617\r\n"), "Content-Length overflows",
	 UPTO(GET11 "Content-Length: 18446744073709551617")},
	{LIT(GET11 "Content-Length: 5\r\ncontent-length: 6\r\n"), "Content-Length given twice",
	 UPTO(GET11 "Content-Length: 5\r\ncontent-length:")},
	{LIT(GET11 "Content-Length: 5\r\nContent-Length: 5\r\n"), "Content-Length given twice",
	 UPTO(GET11 "Content-Length: 5\r\nContent-Length:")},
	{LIT(GET11 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
	 "Transfer-Encoding next to Content-Length",
	 UPTO(GET11 "Content-Length: 5\r\nTransfer-Encoding:")},
	{LIT(GET11 "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
	 "Content-Length next to Transfer-Encoding",
	 UPTO(GET11 "Transfer-Encoding: chunked\r\nContent-Length:")},
	{LIT("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"), "Transfer-Encoding in HTTP/1.0",
	 UPTO("GET / HTTP/1.0\r\nTransfer-Encoding:")},
	{LIT(GET11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
	 "Transfer-Encoding given twice",
	 UPTO(GET11 "Transfer-Encoding: chunked\r\nTransfer-Encoding:")},
	{LIT(GET11 "Transfer-Encoding: gzip\r\n"), "last transfer coding is not chunked",
	 UPTO(GET11 "Transfer-Encoding: gzip\r")},
	{LIT(GET11 "Transfer-Encoding: xchunked\r\n"), "last transfer coding is not chunked",
	 UPTO(GET11 "Transfer-Encoding: xchunked\r")},
	{LIT(GET11 "Transfer-Encoding: chunked, gzip\r\n"), "transfer coding behind chunked",
	 UPTO(GET11 "Transfer-Encoding: chunked,")},
	{LIT(GET11 "Transfer-Encoding: chunked , chunked\r\n"), "transfer coding behind chunked",
	 UPTO(GET11 "Transfer-Encoding: chunked ,")},
	{LIT(GET11 "Transfer-Encoding:\r\n"), "empty transfer coding",
	 UPTO(GET11 "Transfer-Encoding:\r")},
	{LIT(GET11 "Transfer-Encoding: , chunked\r\n"), "empty transfer coding",
	 UPTO(GET11 "Transfer-Encoding: ,")},
	{LIT(GET11 "Transfer-Encoding: gzip,\r\n"), "empty transfer coding",
	 UPTO(GET11 "Transfer-Encoding: gzip,\r")},
	{LIT(GET11 "Transfer-Encoding: chunked;a=b\r\n"), "malformed Transfer-Encoding",
	 UPTO(GET11 "Transfer-Encoding: chunked;")},
	{LIT(GET11 "Transfer-Encoding: chunked x\r\n"), "malformed Transfer-Encoding",
	 UPTO(GET11 "Transfer-Encoding: chunked x")},
	{LIT(GET11 "Transfer-Encoding: \x0b"
		   "chunked\r\n"),
	 "control character", UPTO(GET11 "Transfer-Encoding: \x0b")},
	{LIT(GET11 "Content_Length: 5\r\n"), "underscore in a name that frames the message",
	 UPTO(GET11 "Content_Length:")},
	{LIT(GET11 "transfer_encoding: chunked\r\n"),
	 "underscore in a name that frames the message", UPTO(GET11 "transfer_encoding:")},
};

/* A copy of the text is parsed in a heap block at @ret_copy, to be freed by the caller. */
static enum sp_parse_verdict parse(const char *text, size_t len, struct sp_http1 *head,
				  char **ret_copy)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(head, 0x5a, sizeof(*head));
	*ret_copy = copy;
	return sp_http1_parse(copy, len, head);
}

static enum sp_parse_verdict verdict(const char *text, size_t len, struct sp_http1 *head)
{
	char *copy;
	enum sp_parse_verdict v = parse(text, len, head, &copy);

	free(copy);
	return v;
}

static void assert_str(struct sp_str str, const char *want)
{
	if (!want) {
		assert_null(str.p);
		return;
	}
	assert_non_null(str.p);
	assert_int_equal(str.len, strlen(want));
	assert_memory_equal(str.p, want, str.len);
}

static void good_head_is_taken_apart(void **state)
{
	struct sp_http1 head;
	char *copy;
	size_t i;

	for (i = 0; i < sizeof(goods) / sizeof(*goods); i++) {
		const struct good *g = &goods[i];

		assert_int_equal(parse(g->text, g->len, &head, &copy), SP_PARSE_OK);
		assert_str(head.method, g->method);
		assert_str(head.target, g->target);
		assert_str(head.path, g->path);
		assert_str(head.host, g->host);
		assert_int_equal(head.minor, g->minor);
		assert_int_equal(head.head_len, g->len);
		assert_int_equal(head.header_count, g->header_count);
		free(copy);
	}
}

static void prefix_of_good_head_is_incomplete(void **state)
{
	struct sp_http1 head;
	size_t i, len;

	for (i = 0; i < sizeof(goods) / sizeof(*goods); i++) {
		for (len = 0; len < goods[i].len; len++) {
			if (verdict(goods[i].text, len, &head) != SP_PARSE_INCOMPLETE)
				fail_msg("first %zu bytes of: %s", len, goods[i].text);
		}
	}
}

static void bytes_behind_the_head_do_not_matter(void **state)
{
	static const char *const behind[] = {"\r\n", "\n", " x", "\x01\x02", "GET / HTTP/1.1\r\n"};
	struct sp_http1 head;
	char text[512];
	size_t i, j;

	for (i = 0; i < sizeof(goods) / sizeof(*goods); i++) {
		for (j = 0; j < sizeof(behind) / sizeof(*behind); j++) {
			memcpy(text, goods[i].text, goods[i].len);
			strcpy(text + goods[i].len, behind[j]);
			assert_int_equal(verdict(text, goods[i].len + strlen(behind[j]), &head),
					 SP_PARSE_OK);
			assert_int_equal(head.head_len, goods[i].len);
			assert_int_equal(head.header_count, goods[i].header_count);
		}
	}
}

static void bad_head_is_refused_at_its_decisive_byte(void **state)
{
	struct sp_http1 head;
	size_t i, len;

	for (i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++) {
		const struct wrong *w = &wrongs[i];
		size_t decisive = w->decisive ? w->decisive : w->len;

		for (len = 0; len <= w->len; len++) {
			enum sp_parse_verdict v = verdict(w->text, len, &head);

			if (v != (len < decisive ? SP_PARSE_INCOMPLETE : SP_PARSE_BAD))
				fail_msg("verdict %d on %zu bytes, #%zu (%s)", v, len, i, w->why);
			if (v == SP_PARSE_BAD)
				assert_string_equal(head.why, w->why);
		}
	}
}

static void headers_are_listed_without_blanks(void **state)
{
	static const char text[] = GET11 HOST_A "X-One: \t a \t b \r\nx-two:\r\nX-Two: \t \r\n\r\n";
	struct sp_http1 head;
	char *copy;

	assert_int_equal(parse(LIT(text), &head, &copy), SP_PARSE_OK);
	assert_int_equal(head.header_count, 4);
	assert_str(head.headers[0].name, "Host");
	assert_str(head.headers[0].value, "a");
	assert_str(head.headers[1].name, "X-One");
	assert_str(head.headers[1].value, "a \t b");
	assert_str(head.headers[2].name, "x-two");
	assert_str(head.headers[2].value, "");
	assert_str(head.headers[3].name, "X-Two");
	assert_str(head.headers[3].value, "");
	free(copy);
}

static size_t head_with(char *text, int headers)
{
	size_t len = sprintf(text, GET11 HOST_A);
	int i;

	for (i = 1; i < headers; i++)
		len += sprintf(text + len, "X-%d: %d\r\n", i, i);
	return len + sprintf(text + len, "\r\n");
}

static void number_of_headers_is_limited(void **state)
{
	static char text[8192];
	struct sp_http1 head;
	size_t len = head_with(text, SP_HTTP1_HEADERS_MAX);

	assert_int_equal(verdict(text, len, &head), SP_PARSE_OK);
	assert_int_equal(head.header_count, SP_HTTP1_HEADERS_MAX);
	head_with(text, SP_HTTP1_HEADERS_MAX + 1);
	assert_int_equal(verdict(text, len - 2, &head), SP_PARSE_INCOMPLETE);
	assert_int_equal(verdict(text, len - 1, &head), SP_PARSE_BAD);
	assert_string_equal(head.why, "too many headers");
}

static void length_of_host_is_limited(void **state)
{
	char text[512];
	struct sp_http1 head;
	size_t len = sprintf(text, GET11 "Host: %0255d\r\n\r\n", 7);

	assert_int_equal(verdict(text, len, &head), SP_PARSE_OK);
	assert_int_equal(head.host.len, 255);
	len = sprintf(text, GET11 "Host: %0256d\r\n\r\n", 7);
	assert_int_equal(verdict(text, len, &head), SP_PARSE_BAD);
	assert_string_equal(head.why, "host name too long");
}

/* The grammar of RFC 9110, 5.6.2 and 5.5, and RFC 3986, is written down a second time here. */
static void every_byte_is_judged_by_the_grammar(void **state)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	struct sp_http1 head;
	int c;

	for (c = 0; c < 256; c++) {
		char name[] = GET11 HOST_A "Xc: y\r\n\r\n";
		char value[] = GET11 HOST_A "X: ycy\r\n\r\n";
		char path[] = "GET /c HTTP/1.1\r\n" HOST_A "\r\n";
		bool is_token = c && strchr(token, c), is_ctl = (c < ' ' && c != '\t') || c == 127;

		name[UPTO(GET11 HOST_A "X")] = c;
		value[UPTO(GET11 HOST_A "X: y")] = c;
		path[UPTO("GET /")] = c;
		assert_int_equal(verdict(LIT(name), &head) == SP_PARSE_OK, is_token || c == ':');
		assert_int_equal(verdict(LIT(value), &head) == SP_PARSE_OK, !is_ctl);
		assert_int_equal(verdict(LIT(path), &head) == SP_PARSE_OK,
				 c > ' ' && c < 127 && c != '#');
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_head_is_taken_apart),
		cmocka_unit_test(prefix_of_good_head_is_incomplete),
		cmocka_unit_test(bytes_behind_the_head_do_not_matter),
		cmocka_unit_test(bad_head_is_refused_at_its_decisive_byte),
		cmocka_unit_test(headers_are_listed_without_blanks),
		cmocka_unit_test(number_of_headers_is_limited),
		cmocka_unit_test(length_of_host_is_limited),
		cmocka_unit_test(every_byte_is_judged_by_the_grammar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
