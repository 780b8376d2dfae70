package studytest_test

import (
	"os"
	"testing"

	"github.com/dynofa/dynofa/datasets/studytest"
)

// TestRewrite replaces what a target wrote, and nothing else.
func TestRewrite(t *testing.T) {
	t.Chdir(t.TempDir())
	const text = "# Study\n<!-- tables: written by make other -->\nleft\n<!-- end of tables -->\n<!-- tables: written by make study-x -->\nold\n<!-- end of tables -->\nthe end\n"
	if err := os.WriteFile("README.md", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	studytest.Rewrite(t, "study-x", "new\n")
	got, err := os.ReadFile("README.md")
	if want := "# Study\n<!-- tables: written by make other -->\nleft\n<!-- end of tables -->\n<!-- tables: written by make study-x -->\nnew\n<!-- end of tables -->\nthe end\n"; err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}
