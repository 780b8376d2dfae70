// Three operations that dominate training on one processor core and that PyTorch 1.13 does slowly
// there: batch normalisation with its activation in one pass, and depthwise convolutions whose
// gradients oneDNN computes up to twenty times slower than memory allows. train.py compiles this
// file with the system's C compiler and falls back to PyTorch's own operators without one.
//
// Tensors are float32, NHWC ("channels_last"), dense; channels are a multiple of 8.
#include <stdlib.h>
#include <string.h>
#include <math.h>

typedef float v8 __attribute__((vector_size(32), aligned(4)));
typedef float v16 __attribute__((vector_size(64), aligned(4)));

// act: 0 none, 1 relu, 2 h-swish.
static inline float activate(float z, int act) {
	if (act == 1) return z > 0 ? z : 0;
	if (act == 2) {
		float t = z + 3;
		t = t < 0 ? 0 : t > 6 ? 6 : t;
		return z * t * (1.f / 6);
	}
	return z;
}

static inline float slope(float z, int act) {
	if (act == 1) return z > 0 ? 1 : 0;
	if (act == 2) {
		float s = (2 * z + 3) * (1.f / 6);
		return z < -3 ? 0 : z > 3 ? 1 : s;
	}
	return 1;
}

#define ROWS 64 // summed in float32 before the sums go to float64

// bn_forward normalises x, m rows of c channels, by the batch's own mean and biased variance.
// mean and inv (1/sqrt(var+eps)) are c values of output.
static inline void bn_forward_act(const float *x, float *y, long m, int c, const float *w, const float *b, float eps, float *mean, float *inv, const int act) {
	double *sum = calloc(2 * c, sizeof(double));
	float *part = malloc(4 * c * sizeof(float)), *scale = part + 2 * c, *shift = part + 3 * c;
	for (long r = 0; r < m; r += ROWS) {
		memset(part, 0, 2 * c * sizeof(float));
		for (long i = r; i < m && i < r + ROWS; i++) {
			const float *p = x + i * c;
			for (int k = 0; k < c; k++) {
				float d = p[k] - x[k]; // shifted by the first row, against cancellation
				part[k] += d;
				part[c + k] += d * d;
			}
		}
		for (int k = 0; k < 2 * c; k++) sum[k] += part[k];
	}
	for (int k = 0; k < c; k++) {
		double d = sum[k] / m, var = sum[c + k] / m - d * d;
		mean[k] = x[k] + d;
		inv[k] = 1 / sqrt((var > 0 ? var : 0) + eps);
		scale[k] = w[k] * inv[k];
		shift[k] = b[k] - mean[k] * scale[k];
	}
	for (long i = 0; i < m; i++)
		for (int k = 0; k < c; k++) y[i * c + k] = activate(x[i * c + k] * scale[k] + shift[k], act);
	free(sum);
	free(part);
}

void bn_forward(const float *x, float *y, long m, int c, const float *w, const float *b, float eps, float *mean, float *inv, int act) {
	if (act == 0) bn_forward_act(x, y, m, c, w, b, eps, mean, inv, 0);
	else if (act == 1) bn_forward_act(x, y, m, c, w, b, eps, mean, inv, 1);
	else bn_forward_act(x, y, m, c, w, b, eps, mean, inv, 2);
}

// bn_backward returns the gradients of x, w and b.
static inline void bn_backward_act(const float *gy, const float *x, float *gx, long m, int c, const float *w, const float *b, const float *mean, const float *inv, float *gw, float *gb, const int act) {
	double *sum = calloc(2 * c, sizeof(double));
	float *part = malloc(6 * c * sizeof(float)), *scale = part + 2 * c, *shift = part + 3 * c, *k1 = part + 4 * c, *k2 = part + 5 * c;
	for (int k = 0; k < c; k++) {
		scale[k] = w[k] * inv[k];
		shift[k] = b[k] - mean[k] * scale[k];
	}
	for (long r = 0; r < m; r += ROWS) {
		memset(part, 0, 2 * c * sizeof(float));
		for (long i = r; i < m && i < r + ROWS; i++) {
			const float *p = x + i * c, *g = gy + i * c;
			for (int k = 0; k < c; k++) {
				float d = g[k] * slope(p[k] * scale[k] + shift[k], act);
				part[k] += d;
				part[c + k] += d * (p[k] - mean[k]);
			}
		}
		for (int k = 0; k < 2 * c; k++) sum[k] += part[k];
	}
	for (int k = 0; k < c; k++) {
		gb[k] = sum[k];
		gw[k] = sum[c + k] * inv[k];
		// gx = scale (d - mean(d) - xhat mean(d xhat))
		k1[k] = scale[k] * gw[k] * inv[k] / m;
		k2[k] = scale[k] * gb[k] / m - k1[k] * mean[k];
	}
	for (long i = 0; i < m; i++) {
		const float *p = x + i * c, *g = gy + i * c;
		for (int k = 0; k < c; k++)
			gx[i * c + k] = scale[k] * g[k] * slope(p[k] * scale[k] + shift[k], act) - p[k] * k1[k] - k2[k];
	}
	free(sum);
	free(part);
}

void bn_backward(const float *gy, const float *x, float *gx, long m, int c, const float *w, const float *b, const float *mean, const float *inv, float *gw, float *gb, int act) {
	if (act == 0) bn_backward_act(gy, x, gx, m, c, w, b, mean, inv, gw, gb, 0);
	else if (act == 1) bn_backward_act(gy, x, gx, m, c, w, b, mean, inv, gw, gb, 1);
	else bn_backward_act(gy, x, gx, m, c, w, b, mean, inv, gw, gb, 2);
}

// Depthwise convolutions: padding k/2, weights as [k*k][c]. Each picture and group of channels is
// first copied into a buffer with a border of zeros. size is the input's side, out the output's.
// V is a vector of channels.
#define PACK(V, buf, src, side, border, step)                                                   \
	{                                                                                           \
		int wide_ = (side) * (step) + 2 * (border);                                             \
		for (int y_ = 0; y_ < (side); y_++)                                                     \
			for (int x_ = 0; x_ < (side); x_++)                                                 \
				buf[(y_ * (step) + (border)) * wide_ + x_ * (step) + (border)] =                \
					*(const V *)((src) + (long)(y_ * (side) + x_) * c);                         \
	}

#define FORWARD(NAME, V, K)                                                                     \
	static void NAME(const V *restrict buf, int wide, const float *w, int c, float *y, int out, int s) { \
		V tap[K * K];                                                                           \
		for (int i = 0; i < K * K; i++) tap[i] = *(const V *)(w + (long)i * c);                 \
		for (int oy = 0; oy < out; oy++) {                                                      \
			int ox = 0;                                                                         \
			for (; ox + 4 <= out; ox += 4) {                                                    \
				V a0 = {0}, a1 = {0}, a2 = {0}, a3 = {0};                                       \
				for (int ky = 0; ky < K; ky++) {                                                \
					const V *p = buf + (oy * s + ky) * wide + ox * s;                           \
					for (int kx = 0; kx < K; kx++) {                                            \
						V t = tap[ky * K + kx];                                                 \
						a0 += p[kx] * t;                                                        \
						a1 += p[kx + s] * t;                                                    \
						a2 += p[kx + 2 * s] * t;                                                \
						a3 += p[kx + 3 * s] * t;                                                \
					}                                                                           \
				}                                                                               \
				float *o = y + (long)(oy * out + ox) * c;                                       \
				*(V *)o = a0;                                                                   \
				*(V *)(o + c) = a1;                                                             \
				*(V *)(o + 2 * c) = a2;                                                         \
				*(V *)(o + 3 * c) = a3;                                                         \
			}                                                                                   \
			for (; ox < out; ox++) {                                                            \
				V a = {0};                                                                      \
				for (int ky = 0; ky < K; ky++)                                                  \
					for (int kx = 0; kx < K; kx++)                                              \
						a += buf[(oy * s + ky) * wide + ox * s + kx] * tap[ky * K + kx];        \
				*(V *)(y + (long)(oy * out + ox) * c) = a;                                      \
			}                                                                                   \
		}                                                                                       \
	}
FORWARD(f3x8, v8, 3) FORWARD(f5x8, v8, 5) FORWARD(f7x8, v8, 7)
FORWARD(f3x16, v16, 3) FORWARD(f5x16, v16, 5) FORWARD(f7x16, v16, 7)

#define WEIGHTS(NAME, V, K)                                                                     \
	static void NAME(const V *restrict buf, int wide, V *gw, const float *gy, int c, int out, int s) { \
		for (int ky = 0; ky < K; ky++) {                                                        \
			V acc[K];                                                                           \
			for (int kx = 0; kx < K; kx++) acc[kx] = gw[ky * K + kx];                           \
			for (int oy = 0; oy < out; oy++) {                                                  \
				const V *p = buf + (oy * s + ky) * wide;                                        \
				const float *g = gy + (long)oy * out * c;                                       \
				for (int ox = 0; ox < out; ox++, p += s, g += c) {                              \
					V d = *(const V *)g;                                                        \
					for (int kx = 0; kx < K; kx++) acc[kx] += d * p[kx];                        \
				}                                                                               \
			}                                                                                   \
			for (int kx = 0; kx < K; kx++) gw[ky * K + kx] = acc[kx];                           \
		}                                                                                       \
	}
WEIGHTS(w3x8, v8, 3) WEIGHTS(w5x8, v8, 5) WEIGHTS(w7x8, v8, 7)
WEIGHTS(w3x16, v16, 3) WEIGHTS(w5x16, v16, 5) WEIGHTS(w7x16, v16, 7)

static void *zeros(size_t bytes) {
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
	memset(p, 0, (bytes + 63) / 64 * 64);
	return p;
}

#define BY_GROUPS(ONE)                                                                          \
	for (int i = 0; i < n; i++) {                                                               \
		int j = 0;                                                                              \
		for (; j + 16 <= c; j += 16) ONE(v16, 16)                                               \
		if (j < c) ONE(v8, 8)                                                                   \
	}

// dw_forward: y = x * w. Also the gradient of x for stride 1 (gy and flipped weights), and for
// stride 2 with spread = 2, which puts spread-1 zeros behind each value of x.
void dw_forward(const float *x, const float *w, float *y, int n, int size, int c, int out, int k, int s, int spread) {
	int wide = size * spread + 2 * (k / 2);
	void *buf = zeros((size_t)wide * wide * 64);
#define ONE(V, L)                                                                               \
	{                                                                                           \
		V *b = buf;                                                                             \
		if (L == 8) memset(buf, 0, (size_t)wide * wide * 32);                                   \
		PACK(V, b, x + (long)i * size * size * c + j, size, k / 2, spread)                      \
		float *o = y + (long)i * out * out * c + j;                                             \
		if (k == 3) f3x##L(b, wide, w + j, c, o, out, s);                                       \
		else if (k == 5) f5x##L(b, wide, w + j, c, o, out, s);                                  \
		else f7x##L(b, wide, w + j, c, o, out, s);                                              \
		if (L == 8) memset(buf, 0, (size_t)wide * wide * 64);                                   \
	}
	BY_GROUPS(ONE)
#undef ONE
	free(buf);
}

// dw_weights: the gradient of w, [k*k][c].
void dw_weights(const float *x, const float *gy, float *gw, int n, int size, int c, int out, int k, int s) {
	int wide = size + 2 * (k / 2);
	void *buf = zeros((size_t)wide * wide * 64), *acc = zeros((size_t)(c + 16) * k * k * 4);
#define ONE(V, L)                                                                               \
	{                                                                                           \
		V *b = buf, *a = (V *)((float *)acc + (long)j * k * k);                                 \
		if (L == 8) memset(buf, 0, (size_t)wide * wide * 32);                                   \
		PACK(V, b, x + (long)i * size * size * c + j, size, k / 2, 1)                           \
		const float *g = gy + (long)i * out * out * c + j;                                      \
		if (k == 3) w3x##L(b, wide, a, g, c, out, s);                                           \
		else if (k == 5) w5x##L(b, wide, a, g, c, out, s);                                      \
		else w7x##L(b, wide, a, g, c, out, s);                                                  \
		if (L == 8) memset(buf, 0, (size_t)wide * wide * 64);                                   \
	}
	BY_GROUPS(ONE)
#undef ONE
	for (int j = 0; j < c; j += 16) {
		int lanes = c - j < 16 ? 8 : 16;
		for (int t = 0; t < k * k; t++)
			memcpy(gw + (long)t * c + j, (float *)acc + (long)j * k * k + (long)t * lanes, lanes * sizeof(float));
	}
	free(buf);
	free(acc);
}
