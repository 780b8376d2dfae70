package systemd

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Unit is a service that runs a bundle. The zero value of a field is its default.
type Unit struct {
	Description string // one line; required
	Program     string // path of dynofa-run; default Folder/dynofa-run
	Bundle      string // path of the bundle; default Folder/bundle
	Listen      string // HOST:PORT; default 127.0.0.1:8000
	Provider    string // execution provider; other than "cpu", devices stay within reach
}

// Folder is where the unit looks for program and bundle.
const Folder = "/opt/dynofa"

// Text returns the unit file. It returns an error if a field has characters that mean something in a unit file, or a path is
// not absolute.
//
// Source: systemd.service(5), systemd.exec(5).
func (u Unit) Text() (string, error) {
	if u.Program == "" {
		u.Program = path.Join(Folder, "dynofa-run")
	}
	if u.Bundle == "" {
		u.Bundle = path.Join(Folder, "bundle")
	}
	if u.Listen == "" {
		u.Listen = "127.0.0.1:8000"
	}
	if u.Description == "" || line(u.Description) != u.Description || strings.HasSuffix(u.Description, `\`) {
		return "", errors.New("systemd: the description is not one line")
	}
	for _, word := range []string{u.Program, u.Bundle, u.Listen} {
		if strings.ContainsAny(word, "%$\"'\\; \t") || line(word) != word {
			return "", fmt.Errorf("systemd: %.100q cannot stand in a unit", word)
		}
	}
	if !path.IsAbs(u.Program) || !path.IsAbs(u.Bundle) {
		return "", errors.New("systemd: paths of program and bundle must be absolute")
	}
	devices := "PrivateDevices=yes\n"
	if u.Provider != "" && u.Provider != "cpu" {
		devices = "SupplementaryGroups=video\n" // the GPU's devices on Jetson boards
	}
	return fmt.Sprintf(unit, strings.ReplaceAll(u.Description, "%", "%%"), u.Program, u.Bundle, u.Listen, devices), nil
}

const unit = `# Written by dynofa export. On the board, with dynofa-run, lib/ and bundle/ in ` + Folder + `:
#   systemctl enable --now ` + Folder + `/bundle/dynofa.service
[Unit]
Description=%s
StartLimitIntervalSec=5min
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart=%s run %s --listen %s
# Fed by the loop that serves: an inference that hangs, or a loop that does, is ended and started again.
WatchdogSec=30s
Restart=on-failure
RestartSec=1s
# The first start optimises the graphs for this processor.
TimeoutStartSec=15min
# Requests under way are answered first.
TimeoutStopSec=20s

DynamicUser=yes
CacheDirectory=dynofa
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
%sProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`
