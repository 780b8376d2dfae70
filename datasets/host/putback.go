package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Content is a file of the system, named as in the file system, with what stood there.
type Content struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// PutBack writes contents back, in their order, where others stand now. A clock goes to a policy only whose governor is userspace: others
// take none. What stood in a file of which nothing is known stays out. It returns what could not be written.
func PutBack(fsys fs.FS, changer Changer, files []Content) error {
	r := reader{fsys}
	left := files
	var errs []error
	for range 2 { // a lowest clock above the highest is refused: then the other one goes first
		var again []Content
		errs = nil
		for _, c := range left {
			stands, dir := strings.TrimSpace(r.raw(c.Name)), path.Dir(c.Name)
			if c.Text == "" || stands == c.Text || path.Base(c.Name) == "scaling_setspeed" && strings.TrimSpace(r.raw(path.Join(dir, "scaling_governor"))) != userspace {
				continue
			}
			if err := changer.WriteFile(c.Name, c.Text); err != nil {
				errs = append(errs, fmt.Errorf("%s cannot be put back into /%s: %w", c.Text, c.Name, err))
				again = append(again, c)
			}
		}
		left = again
	}
	return errors.Join(errs...)
}
