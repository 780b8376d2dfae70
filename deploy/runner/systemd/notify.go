// Package systemd tells a service manager how a run is, and writes the unit that asks it to. It is the protocol of
// sd_notify over a datagram socket and needs no library; without a service manager nothing happens.
package systemd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Environment variables of the protocol.
const (
	socketVariable   = "NOTIFY_SOCKET"
	watchdogVariable = "WATCHDOG_USEC"
	pidVariable      = "WATCHDOG_PID"
)

// Notifier sends messages to the service manager. A nil Notifier sends nothing. Its methods may be called concurrently.
//
// Source: sd_notify(3), sd_watchdog_enabled(3).
type Notifier struct {
	conn     *net.UnixConn
	watchdog time.Duration
}

// Open connects to the service manager that started this process, by its environment. It returns nil, nil if there is
// none. pid is this process's number.
func Open(getenv func(string) string, pid int) (*Notifier, error) {
	path := getenv(socketVariable)
	if path == "" {
		return nil, nil
	}
	if path[0] != '/' && path[0] != '@' { // '@' is the abstract name space
		return nil, fmt.Errorf("systemd: %s %.100q is no socket of this machine", socketVariable, path)
	}
	n := &Notifier{}
	if text := getenv(watchdogVariable); text != "" {
		usec, err := strconv.ParseUint(text, 10, 63)
		if err != nil || usec == 0 || usec > uint64((1<<63-1)/time.Microsecond) {
			return nil, fmt.Errorf("systemd: %s %.40q is no time in microseconds", watchdogVariable, text)
		}
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	if text := getenv(pidVariable); text != "" && text != strconv.Itoa(pid) {
		n.watchdog = 0 // it watches another process
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("systemd: %w", err)
	}
	n.conn = conn
	return n, nil
}

// Watchdog returns the time within which Alive must be called again, 0 if nobody watches. Half of it is a good interval.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready says that the service serves.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Stopping says that it ends.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Alive feeds the watchdog and shows a line of status.
func (n *Notifier) Alive(status string) error {
	if n == nil || n.watchdog == 0 {
		return n.send("STATUS=" + line(status))
	}
	return n.send("WATCHDOG=1\nSTATUS=" + line(status))
}

// Close ends the connection. The service goes on.
func (n *Notifier) Close() error {
	if n == nil {
		return nil
	}
	return n.conn.Close()
}

// sendTimeout bounds how long a message waits for a manager that does not read.
const sendTimeout = 100 * time.Millisecond

func (n *Notifier) send(message string) error {
	if n == nil {
		return nil
	}
	err := n.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if err == nil {
		_, err = n.conn.Write([]byte(message))
	}
	if err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	return nil
}

// line makes one line of a status: a line break would begin another assignment.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
