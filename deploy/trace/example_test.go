package trace_test

import (
	"bytes"
	"fmt"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

// A run of two frames is recorded, read back and replayed.
func ExampleReplay() {
	f, err := family.PaperGPU6()
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	w, err := trace.NewWriter(&file, trace.Header{
		Program: "example", Kind: trace.Simulated, Policy: "static:3", Family: *f,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range int64(2) {
		now := time.Duration(i) * 100 * time.Millisecond
		r := trace.Record{
			Request: i, Arrival: now,
			Observation: policy.Observation{
				Now: now, Level: -1, Processor: -1,
				Queue: []policy.Request{{ID: i, Arrival: now}}, Waiting: 1,
			},
			Decision: policy.Decision{Action: policy.Serve, Level: 3 - int(i), Reason: policy.ReasonStatic},
			Start:    now, End: now + 51*time.Millisecond, Outcome: trace.OnTime,
		}
		if err := w.Write(r); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := w.Flush(); err != nil {
		fmt.Println(err)
		return
	}
	_, rows, _ := bytes.Cut(file.Bytes(), []byte("\n"))
	fmt.Printf("%s", rows)
	t, err := trace.Read("example.csv", &file)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := trace.Replay(t)
	fmt.Println(report.Equal, "of", report.N, "decisions are equal;", report.First, err)
	// Output:
	// request,arrival_ns,deadline_ns,now_ns,last_level,last_processor,waiting,limit_ns,min_accuracy,queue,action,level,processor,reason,start_ns,end_ns,outcome
	// 0,0,0,0,-1,-1,1,0,0,0:0:0,serve,3,0,static,0,51000000,on-time
	// 1,100000000,0,100000000,-1,-1,1,0,0,1:100000000:0,serve,2,0,static,100000000,151000000,on-time
	// 1 of 2 decisions are equal; line 4 (record 2, request 1): recorded serve at level 2 on processor 0 (static), replayed serve at level 3 on processor 0 (static) <nil>
}
