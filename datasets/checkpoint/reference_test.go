package checkpoint_test

import (
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/reftest"
)

// The numbers of tensors and elements are those of torch.load on the same files.
func TestReferenceFiles(t *testing.T) {
	for _, tt := range []struct {
		elem              []string
		format            string
		tensors, elements int
	}{
		{[]string{"ofa", "acc_predictor.pth"}, "torch-legacy", 8, 372801}, // 128*400+400 + 2*(400*400+400) + 400+1
		{[]string{"ofa", "supernet", "supernet_zip.pth"}, "torch-zip", 475, 1813178},
		{[]string{"ofa", "supernet", "supernet_legacy.pth"}, "torch-legacy", 475, 1813178},
		{[]string{"ofa", "proxyless", "supernet_zip.pth"}, "torch-zip", 446, 1167047},
		{[]string{"ofa", "resnet50", "supernet_zip.pth"}, "torch-zip", 368, 1051647},
	} {
		f, err := checkpoint.Open(reftest.Path(t, tt.elem...))
		if err != nil {
			t.Error(err)
			continue
		}
		elements := 0
		for _, x := range tensors(t, f) {
			elements += len(x.Data)
			if !x.Finite() {
				t.Errorf("%v: %s is not finite", tt.elem, x.Name)
			}
		}
		if f.Format() != tt.format || len(f.Names()) != tt.tensors || elements != tt.elements {
			t.Errorf("%v: %s with %d tensors of %d elements", tt.elem, f.Format(), len(f.Names()), elements)
		}
	}
}

// Both files hold one supernet, under OFA's elder and newer names.
func TestReferenceNamings(t *testing.T) {
	var files [2][]checkpoint.Tensor
	for i, name := range []string{"supernet_legacy.pth", "supernet_zip.pth"} {
		f, err := checkpoint.Open(reftest.Path(t, "ofa", "supernet", name))
		if err != nil {
			t.Fatal(err)
		}
		files[i] = tensors(t, f)
	}
	if files[0][6].Name == files[1][6].Name {
		t.Errorf("both files say %q: they should differ in their naming", files[0][6].Name)
	}
	if d := diff(rename(files[0]), rename(files[1])); d != "" {
		t.Error(d)
	}
}
