package stats

import "math"

// NonNegative moves x, from where it starts, to the x >= 0 that minimises x'Ax/2 - b'x for a
// symmetric, positive definite A (len(b) x len(b), row by row), and returns how many sweeps over the
// coordinates that took. It stops when a sweep moves no coordinate by more than tolerance times the
// largest one, or after maxSweeps; ok says which. It adds in one fixed order without fused
// operations, so that the result is the same on every machine (which is why it is not left to a
// linear algebra library with kernels per processor).
//
// Source: Franc, Hlavac and Navara, "Sequential Coordinate-Wise Algorithm for the Non-negative Least
// Squares Problem", CAIP 2005, Algorithm 1; started at x instead of zero, stopped by the step instead of the gradient.
func NonNegative(a, b, x []float64, tolerance float64, maxSweeps int) (sweeps int, ok bool) {
	n := len(b)
	gradient := make([]float64, n) // Ax - b
	for i := range n {
		g := -b[i]
		for j := range n {
			g += float64(a[i*n+j] * x[j])
		}
		gradient[i] = g
	}
	for sweeps = 1; sweeps <= maxSweeps; sweeps++ {
		largest, step := 0.0, 0.0
		for i := range n {
			next := max(0, x[i]-gradient[i]/a[i*n+i])
			if d := next - x[i]; d != 0 {
				row := a[i*n : (i+1)*n]
				for j := range n {
					gradient[j] += float64(row[j] * d)
				}
				step = max(step, math.Abs(d))
				x[i] = next
			}
			largest = max(largest, x[i])
		}
		if step <= tolerance*largest {
			return sweeps, true
		}
	}
	return maxSweeps, false
}
