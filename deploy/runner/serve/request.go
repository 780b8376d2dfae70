package serve

import (
	"net"
	"regexp"
	"strings"
)

// loopback reports whether an address is reached from this machine only.
func loopback(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return false // no browser gets there
	}
	return false
}

// loopbackHost reports whether a Host header names this machine. A page of another site that has its
// name lead here (DNS rebinding) sends its own name.
func loopbackHost(hostport string) bool {
	name := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		name = h
	}
	if ip := net.ParseIP(strings.Trim(name, "[]")); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(name, "localhost")
}

var traceForm = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$`)

// traceID returns the trace of a traceparent header, "" if there is none or it is malformed.
//
// Source: W3C Recommendation Trace Context, section 3.2.
func traceID(header string) string {
	m := traceForm.FindStringSubmatch(header)
	if m == nil || strings.HasPrefix(header, "ff") || strings.Trim(m[1], "0") == "" || strings.Trim(m[2], "0") == "" {
		return ""
	}
	return m[1]
}
