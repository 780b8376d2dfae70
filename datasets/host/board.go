package host

import (
	"strings"
)

// PowerMode is the power mode the user or the vendor's tool chose; empty if unknown.
type PowerMode struct {
	ID   string `json:"id,omitempty"`   // nvpmodel's number: "8"
	Name string `json:"name,omitempty"` // "MODE_20W_6CORE" of nvpmodel, "balanced" of ACPI's platform profile
}

func (r reader) board() Board {
	b := Board{Model: r.text("proc/device-tree/model"), Release: r.l4t()}
	for part := range strings.SplitSeq(r.raw("proc/device-tree/compatible"), "\x00") {
		if part = clean(part); part != "" && len(b.Compatible) < maxEntries {
			b.Compatible = append(b.Compatible, part)
		}
	}
	if b.Model == "" {
		b.Model, b.Vendor = r.text("sys/class/dmi/id/product_name"), r.text("sys/class/dmi/id/sys_vendor")
	}
	return b
}

// l4t reads NVIDIA's release file: "# R35 (release), REVISION: 4.1, GCID: ..." is R35.4.1.
func (r reader) l4t() string {
	line, _, _ := strings.Cut(r.raw("etc/nv_tegra_release"), "\n")
	major, rest, ok := strings.Cut(strings.TrimPrefix(line, "# "), " ")
	if !ok || !strings.HasPrefix(major, "R") {
		return ""
	}
	_, revision, ok := strings.Cut(rest, "REVISION: ")
	if !ok {
		return clean(major)
	}
	revision, _, _ = strings.Cut(revision, ",")
	return clean(major + "." + revision)
}

// powerMode reads nvpmodel's state on Jetsons, the platform profile on PCs.
func (r reader) powerMode() PowerMode {
	status := r.raw("var/lib/nvpmodel/status") // "pmode:0008 fmode:quiet"
	_, id, ok := strings.Cut(status, "pmode:")
	if !ok {
		return PowerMode{Name: r.text("sys/firmware/acpi/platform_profile")}
	}
	id = id[:len(id)-len(strings.TrimLeft(id, "0123456789"))]
	if id == "" {
		return PowerMode{}
	}
	if id = strings.TrimLeft(id, "0"); id == "" {
		id = "0"
	}
	return PowerMode{ID: clean(id), Name: nvpmodelName(r.raw("etc/nvpmodel.conf"), id)}
}

// nvpmodelName finds "< POWER_MODEL ID=8 NAME=MODE_20W_6CORE >" in nvpmodel's configuration.
func nvpmodelName(conf, id string) string {
	for line := range strings.Lines(conf) {
		fields := strings.Fields(strings.Trim(strings.TrimSpace(line), "<>"))
		if len(fields) < 3 || fields[0] != "POWER_MODEL" || fields[1] != "ID="+id {
			continue
		}
		if name, ok := strings.CutPrefix(fields[2], "NAME="); ok {
			return clean(name)
		}
	}
	return ""
}
