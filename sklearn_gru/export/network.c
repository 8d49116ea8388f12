#include <float.h>
#include <math.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "Compile without -ffast-math: missing values are NaN, which it ignores."
#endif

static int gru_is_nan(double v) { return v != v; }

/* A cell of a row; a category that fit has not seen is missing. */
static double gru_cell(const double *row, int j) {
  const double v = row[j];
  if (gru_categories[j] > 0 && !(v >= 0 && v < gru_categories[j])) return NAN;
  return v;
}

static int gru_has_value(const double *row) {
  int j;
  for (j = 0; j < GRU_N_FEATURES; j++)
    if (!gru_is_nan(gru_cell(row, j))) return 1;
  return 0;
}

/* out[from..to) = matrix x + bias; matrices are stored input by input. */
static void gru_product(const gru_matrix *m, const float *x, float *restrict out,
                        int from, int to) {
  int i, j;
  for (j = from; j < to; j++) out[j] = 0.0f;
  for (i = 0; i < m->n_in; i++) {
    const float v = x[i];
    const gru_weight *restrict w = m->w + (long)i * m->n_out;
    for (j = from; j < to; j++) out[j] += v * (float)w[j];
  }
  for (j = from; j < to; j++) {
    if (m->scale) out[j] *= m->scale[j];
    if (m->bias) out[j] += m->bias[j];
  }
}

#if GRU_CELL != GRU_CELL_RNN
static float gru_sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
#endif

/* One step of a layer in one direction; h holds the state (and c of an LSTM). */
static void gru_cell_step(const gru_layer *w, const float *x, float *h) {
  float g[GRU_UNITS], u[GRU_UNITS];
  int j;
  gru_product(&w->ih, x, g, 0, GRU_UNITS);
#if GRU_CELL == GRU_CELL_RESET_BEFORE
  {
    float reset[GRU_HIDDEN];
    gru_product(&w->hh, h, u, 0, 2 * GRU_HIDDEN);
    for (j = 0; j < GRU_HIDDEN; j++) reset[j] = gru_sigmoid(g[j] + u[j]) * h[j];
    gru_product(&w->hh, reset, u, 2 * GRU_HIDDEN, 3 * GRU_HIDDEN);
  }
#else
  gru_product(&w->hh, h, u, 0, GRU_UNITS);
#endif
  for (j = 0; j < GRU_HIDDEN; j++) {
#if GRU_CELL == GRU_CELL_LSTM
    const int f = j + GRU_HIDDEN, n = j + 2 * GRU_HIDDEN, o = j + 3 * GRU_HIDDEN;
    float c = gru_sigmoid(g[f] + u[f]) * h[f];
    c += gru_sigmoid(g[j] + u[j]) * tanhf(g[n] + u[n]);
    h[f] = c;
    h[j] = gru_sigmoid(g[o] + u[o]) * tanhf(c);
#elif GRU_CELL == GRU_CELL_RNN
    h[j] = tanhf(g[j] + u[j]);
#else
    const int z = j + GRU_HIDDEN, n = j + 2 * GRU_HIDDEN;
    const float update = gru_sigmoid(g[z] + u[z]);
#if GRU_CELL == GRU_CELL_RESET_BEFORE
    const float new_state = tanhf(g[n] + u[n]);
#else
    const float new_state = tanhf(g[n] + gru_sigmoid(g[j] + u[j]) * u[n]);
#endif
    h[j] = (1.0f - update) * new_state + update * h[j];
#endif
  }
}

/* --- from a row to the numbers that the network reads --------------------------- */

typedef struct {
  double shift[GRU_N_FEATURES], scale[GRU_N_FEATURES]; /* NaN where there is none */
} gru_levels;

/* Encode a row; before holds the latest value of each feature in front of it. */
static void gru_encode(const double *row, double *before, const gru_levels *levels,
                       gru_real *x) {
  int j, k, n = 0;
  gru_real *differences = x, *cells = x + GRU_DIFFERENCES * GRU_NUMERIC;
  for (j = 0; j < GRU_N_FEATURES; j++) {
    const double value = gru_cell(row, j);
    double scaled = (value - gru_mean[j]) / gru_scale[j];
    gru_real shift = 0, own = 1;
    if (gru_categories[j] > 0) continue;
    if (sizeof(gru_real) == sizeof(float) && fabs(scaled) > FLT_MAX)
      scaled = scaled > 0 ? 1e30 : -1e30;
    if (levels) {
      const double s = (levels->shift[j] - gru_mean[j]) / gru_scale[j];
      const double o = levels->scale[j] / gru_scale[j];
      if (!gru_is_nan(s)) shift = (gru_real)s;
      if (GRU_NORMALIZATION == 2 && !gru_is_nan(o)) own = (gru_real)o;
    }
    cells[n] = gru_is_nan(scaled) ? 0 : ((gru_real)scaled - shift) / own;
    if (GRU_DIFFERENCES) {
      const double d = (value - before[j]) / gru_unit[n];
      const double mean = gru_diff_mean[n], scale = gru_diff_scale[n];
      if (gru_is_nan(d)) differences[n] = 0;
      else if (levels)
        differences[n] = ((gru_real)d - (gru_real)(mean * (double)own)) /
                         (gru_real)(scale * (double)own);
      else differences[n] = (gru_real)((d - mean) / scale);
      if (!gru_is_nan(value)) before[j] = value;
    }
    n++;
  }
  for (k = 0; k < GRU_MARKED; k++)
    cells[n++] = gru_is_nan(gru_cell(row, gru_marked[k])) ? 1 : 0;
  for (j = 0; j < GRU_N_FEATURES; j++)
    if (gru_categories[j] > 0) {
      const double code = gru_cell(row, j);
      cells[n++] = gru_is_nan(code) ? 0 : (gru_real)((int)code + 1);
    }
}

/* Write an encoded row as the layers read it: indices become vectors. */
static void gru_expand(const gru_network *net, const gru_real *x, float *out) {
  const int dense = GRU_N_ENCODED - GRU_TABLES;
  int i, k, n = 0;
  for (i = 0; i < dense; i++) out[n++] = (float)x[i];
  for (k = 0; k < GRU_TABLES; k++) {
    const int width = gru_widths[k];
    for (i = 0; i < width; i++)
      out[n++] = net->tables[k][(int)x[dense + k] * width + i];
  }
}

/* --- from outputs to answers ---------------------------------------------------- */

/* Add the answer of one network to out. */
static void gru_add_answer(const float *output, const gru_levels *levels, double *out) {
  double y[GRU_N_OUTPUTS];
  int i;
#if GRU_TASK == GRU_TASK_CLASSES
  double largest = output[0], total = 0;
  for (i = 1; i < GRU_N_OUTPUTS; i++)
    if (output[i] > largest) largest = output[i];
  for (i = 0; i < GRU_N_OUTPUTS; i++) total += y[i] = exp(output[i] - largest);
  for (i = 0; i < GRU_N_OUTPUTS; i++) y[i] /= total;
#else
  int q, k;
  for (i = 0; i < GRU_N_TARGETS; i++) {
    double *own = y + i * GRU_LEVELS;
    for (q = 0; q < GRU_LEVELS; q++) {
      double v = output[i * GRU_LEVELS + q];
      for (k = q; k > 0 && own[k - 1] > v; k--) own[k] = own[k - 1]; /* ascending */
      own[k] = v;
    }
    for (q = 0; q < GRU_LEVELS; q++) {
#if GRU_TASK == GRU_TASK_POISSON
      own[q] = exp(own[q]) * gru_target_scale[i];
#else
      own[q] = own[q] * gru_target_scale[i] + gru_target_center[i];
#endif
    }
  }
#endif
#if GRU_CONTINUES
  {
    double shift = levels->shift[GRU_COLUMN], scale = levels->scale[GRU_COLUMN];
    if (gru_is_nan(shift)) shift = gru_continued[0];
    if (gru_is_nan(scale)) scale = gru_continued[1];
    if (scale < gru_continued[2]) scale = gru_continued[2];
    for (i = 0; i < GRU_N_OUTPUTS; i++) y[i] = y[i] * scale + shift;
  }
#else
  (void)levels;
#endif
  for (i = 0; i < GRU_N_OUT; i++) out[i] += y[gru_order[i]] / GRU_NETWORKS;
}

#if GRU_POOLING == GRU_POOLING_ATTENTION
static float gru_score(const gru_network *net, const float *state) {
  float hidden[GRU_STATE], score;
  int j;
  gru_product(&net->project, state, hidden, 0, GRU_STATE);
  for (j = 0; j < GRU_STATE; j++) hidden[j] = tanhf(hidden[j]);
  gru_product(&net->context, hidden, &score, 0, 1);
  return score;
}
#endif

static void gru_collect(const gru_network *net, const float *state, gru_pool *pool) {
  int j;
#if GRU_POOLING == GRU_POOLING_ATTENTION
  const float score = gru_score(net, state);
  const float top = pool->count && pool->top > score ? pool->top : score;
  const float old = pool->count ? expf(pool->top - top) : 0.0f;
  const float new_weight = expf(score - top);
  for (j = 0; j < GRU_STATE; j++)
    pool->total[j] = pool->total[j] * old + new_weight * state[j];
  pool->weight = pool->weight * old + new_weight;
  pool->top = top;
#else
  (void)net;
  for (j = 0; j < GRU_STATE; j++) {
    pool->total[j] += state[j];
    if (!pool->count || state[j] > pool->largest[j]) pool->largest[j] = state[j];
  }
#endif
  pool->count++;
}

/* Write what the head reads of the states; last is that of all directions. */
static void gru_pooled(const gru_pool *pool, const float *last, float *out) {
  int j;
  for (j = 0; j < GRU_STATE; j++) {
#if GRU_POOLING == GRU_POOLING_LAST
    out[j] = last[j];
#elif GRU_POOLING == GRU_POOLING_ATTENTION
    out[j] = pool->total[j] / pool->weight;
#elif GRU_POOLING == GRU_POOLING_MAX
    out[j] = pool->largest[j];
#else
    out[j] = pool->total[j] / (float)pool->count;
#endif
#if GRU_POOLING == GRU_POOLING_MEAN_MAX
    out[GRU_STATE + j] = pool->largest[j];
#endif
  }
  (void)pool;
  (void)last;
}

static void gru_empty_answer(double *out) {
  int i;
  for (i = 0; i < GRU_N_OUT; i++) out[i] = gru_empty[i];
}

/* --- whole sequences ------------------------------------------------------------ */

#if GRU_NORMALIZATION
static void gru_find_levels(const double *rows, const int *at, int n, gru_levels *out) {
  int j, t;
  for (j = 0; j < GRU_N_FEATURES; j++) {
    double last = NAN, total = 0, squares = 0, mean, deviation, rounding;
    int count = 0;
    for (t = 0; t < n; t++) {
      const double v = gru_cell(rows + (long)at[t] * GRU_N_FEATURES, j);
      if (gru_is_nan(v)) continue;
      last = v, total += v, count++;
    }
    out->shift[j] = last;
    out->scale[j] = count ? 1.0 : NAN;
    if (GRU_NORMALIZATION == 1 || !count) continue;
    mean = total / count;
    for (t = 0; t < n; t++) {
      const double v = gru_cell(rows + (long)at[t] * GRU_N_FEATURES, j) - mean;
      if (!gru_is_nan(v)) squares += v * v;
    }
    deviation = sqrt(squares / count);
    rounding = gru_precision * fabs(mean - gru_mean[j]);
    if (rounding < DBL_EPSILON * fabs(mean)) rounding = DBL_EPSILON * fabs(mean);
    out->shift[j] = mean;
    out->scale[j] = deviation > 10 * rounding ? deviation : NAN;
  }
}
#endif

#if GRU_CONV
/* Add the mean of the convolutions over observed steps behind the pooled state. */
static void gru_convolve(const gru_network *net, gru_work *work, int n, float *out) {
  float patch[GRU_PATCH], found[GRU_CONV_WIDTH];
  int k, t, i, j, width = GRU_N_INPUTS, count = 0;
  for (t = 0; t < n; t++) gru_expand(net, work->x[t], work->wide[0][t]);
  for (k = 0; k < GRU_CONV; k++) {
    const int size = gru_kernels[k], n_out = net->conv[k].n_out;
    float(*from)[GRU_CONV_WIDTH] = work->wide[k % 2];
    float(*to)[GRU_CONV_WIDTH] = work->wide[(k + 1) % 2];
    for (t = 0; t < n; t++) {
      for (j = 0; j < size; j++) {
        const int s = t + j - (size - 1) / 2;
        const int real = s >= 0 && s < n && work->observed[s];
        for (i = 0; i < width; i++) patch[j * width + i] = real ? from[s][i] : 0.0f;
      }
      gru_product(&net->conv[k], patch, found, 0, n_out);
      for (i = 0; i < n_out; i++) to[t][i] = found[i] > 0.0f ? found[i] : 0.0f;
    }
    width = n_out;
  }
  for (i = 0; i < width; i++) out[i] = 0.0f;
  for (t = 0; t < n; t++) {
    if (!work->observed[t]) continue;
    count++;
    for (i = 0; i < width; i++) out[i] += work->wide[GRU_CONV % 2][t][i];
  }
  for (i = 0; i < width; i++) out[i] /= (float)count;
}
#endif

#if GRU_LINEAR
/* Mix outputs with those of a linear map of the latest of n encoded rows. */
static void gru_mix(gru_real (*rows)[GRU_N_ENCODED], int n, float *output) {
  int i, s, c;
  for (i = 0; i < GRU_N_OUTPUTS; i++) {
    double linear = gru_intercept[i];
    for (s = 0; s < GRU_LINEAR_STEPS && s < n; s++) {
      const gru_real *x = rows[n - 1 - s];
      const float *w =
          gru_linear +
          ((long)(i + 1) * GRU_LINEAR_STEPS - 1 - s) * GRU_LINEAR_COLUMNS;
      for (c = 0; c < GRU_LINEAR_COLUMNS; c++) linear += (double)w[c] * x[c];
    }
    output[i] = (float)((1.0 - gru_share) * output[i] + gru_share * linear);
  }
}
#endif

/* Write the input of the first layer at step s of n_steps, read from n rows. */
static void gru_first_input(const gru_network *net, const gru_work *work, int s,
                            int n_steps, int n, float *out) {
  int k;
#if GRU_CONV && GRU_SEGMENT == 1
  int t = -1;
  for (k = -1; k < s; k += work->observed[t]) t++;
  (void)n_steps, (void)n;
  gru_expand(net, work->x[t], out);
#else
  for (k = 0; k < GRU_SEGMENT; k++) {
    const int t = n - (n_steps - s) * GRU_SEGMENT + k;
    if (t < 0) memset(out + k * GRU_N_INPUTS, 0, GRU_N_INPUTS * sizeof(float));
    else gru_expand(net, work->x[t], out + k * GRU_N_INPUTS);
  }
#endif
}

/* Run the layers and write what the head reads. */
static void gru_run_layers(const gru_network *net, gru_work *work, int n_steps, int n,
                           float *pooled) {
  float first[GRU_N_READ], last[GRU_STATE];
  int layer, d, i;
  gru_pool pool = {0};
  for (layer = 0; layer < GRU_LAYERS; layer++) {
    float(*from)[GRU_STATE] = work->states[layer % 2];
    float(*to)[GRU_STATE] = work->states[(layer + 1) % 2];
    for (d = 0; d < GRU_DIRECTIONS; d++) {
      float h[GRU_HIDDEN * GRU_PARTS] = {0};
      for (i = 0; i < n_steps; i++) {
        const int s = d ? n_steps - 1 - i : i;
        if (layer == 0) gru_first_input(net, work, s, n_steps, n, first);
        gru_cell_step(&net->layers[layer][d], layer ? from[s] : first, h);
        memcpy(to[s] + d * GRU_HIDDEN, h, GRU_HIDDEN * sizeof(float));
      }
      memcpy(last + d * GRU_HIDDEN, h, GRU_HIDDEN * sizeof(float));
    }
  }
  for (i = 0; i < n_steps; i++)
    gru_collect(net, work->states[GRU_LAYERS % 2][i], &pool);
  gru_pooled(&pool, last, pooled);
}

int gru_window(gru_work *work, const double *rows, int n_rows, double *out) {
  double before[GRU_N_FEATURES];
  const gru_levels *levels = 0;
#if GRU_NORMALIZATION
  gru_levels found;
#endif
  int t, m, n = 0, n_steps = 0;
  for (t = 0; t < n_rows; t++) {
    const int seen = gru_has_value(rows + (long)t * GRU_N_FEATURES);
    if (!seen && (!GRU_KEEPS_GAPS || !n)) continue;
    if (n == GRU_MAX_STEPS) return -1;
    work->at[n] = t;
    work->observed[n++] = (unsigned char)seen;
    n_steps += seen;
  }
  while (n && !work->observed[n - 1]) n--;
  if (!n) {
    gru_empty_answer(out);
    return 0;
  }
#if GRU_NORMALIZATION
  gru_find_levels(rows, work->at, n, &found);
  levels = &found;
#endif
  for (t = 0; t < GRU_N_FEATURES; t++) before[t] = NAN;
  for (t = 0; t < n; t++)
    gru_encode(rows + (long)work->at[t] * GRU_N_FEATURES, before, levels, work->x[t]);
  if (GRU_SEGMENT > 1) n_steps = (n + GRU_SEGMENT - 1) / GRU_SEGMENT;
  for (t = 0; t < GRU_N_OUT; t++) out[t] = 0.0;
  for (m = 0; m < GRU_NETWORKS; m++) {
    float pooled[GRU_N_POOLED], output[GRU_N_OUTPUTS];
    gru_run_layers(&gru_networks[m], work, n_steps, n, pooled);
#if GRU_CONV
    gru_convolve(&gru_networks[m], work, n, pooled + gru_networks[m].head.n_in -
                                                gru_networks[m].conv[GRU_CONV - 1].n_out);
#endif
    gru_product(&gru_networks[m].head, pooled, output, 0, GRU_N_OUTPUTS);
#if GRU_LINEAR
    gru_mix(work->x, n, output);
#endif
    gru_add_answer(output, levels, out);
  }
  return n;
}

/* --- rows one at a time --------------------------------------------------------- */

#if GRU_WINDOW
void gru_reset(gru_state *state) { state->n_rows = 0; }

void gru_step(gru_state *state, const double *row, double *out) {
  double *newest = state->recent[GRU_REACH - 1];
  int j, k, t;
  memmove(state->recent[0], state->recent[1], sizeof(state->recent) - sizeof(*state->recent));
  if (state->n_rows < GRU_REACH) state->n_rows++;
  for (j = 0; j < GRU_N_FEATURES; j++) newest[j] = row[j];
  for (k = 0; k < GRU_BEFORE; k++)
    for (j = 0; j < GRU_N_FEATURES; j++) {
      const double v = gru_before[k][j];
      switch (gru_operations[k]) {
        case 0: newest[j] -= v; break;
        case 1: newest[j] /= v; break;
        case 2: newest[j] *= v; break;
        case 3: newest[j] += v; break;
        default: if (gru_is_nan(newest[j])) newest[j] = v;
      }
    }
  for (t = 0; t < GRU_WINDOW; t++)
    for (j = 0; j < GRU_N_FEATURES; j++) {
      const int at = GRU_REACH - GRU_WINDOW + t - (gru_known[j] ? 0 : GRU_LAG);
      const int exists = at >= GRU_REACH - state->n_rows;
      state->window[t][j] = exists ? state->recent[at][j] : NAN;
    }
  gru_window(&state->work, state->window[0], GRU_WINDOW, out);
}
#elif GRU_STEPWISE
void gru_reset(gru_state *state) { memset(state, 0, sizeof(*state)); }

void gru_step(gru_state *state, const double *row, double *out) {
  gru_real x[GRU_N_ENCODED];
  int m, layer;
  if (gru_has_value(row)) {
    gru_encode(row, 0, 0, x);
    state->count++;
#if GRU_LINEAR
    memmove(state->latest[0], state->latest[1], sizeof(state->latest) - sizeof(x));
    memcpy(state->latest[GRU_LINEAR_STEPS - 1], x, sizeof(x));
#endif
    for (m = 0; m < GRU_NETWORKS; m++) {
      const gru_network *net = &gru_networks[m];
      float first[GRU_N_READ], *h = 0;
      gru_expand(net, x, first);
      for (layer = 0; layer < GRU_LAYERS; layer++) {
        const float *from = layer ? h : first;
        h = state->h[m][layer];
        gru_cell_step(&net->layers[layer][0], from, h);
      }
      gru_collect(net, h, &state->pool[m]);
    }
  }
  gru_empty_answer(out);
  if (!state->count) return;
  for (m = 0; m < GRU_N_OUT; m++) out[m] = 0.0;
  for (m = 0; m < GRU_NETWORKS; m++) {
    float pooled[GRU_N_POOLED], output[GRU_N_OUTPUTS];
    gru_pooled(&state->pool[m], state->h[m][GRU_LAYERS - 1], pooled);
    gru_product(&gru_networks[m].head, pooled, output, 0, GRU_N_OUTPUTS);
#if GRU_LINEAR
    {
      int n = GRU_LINEAR_STEPS;
      if (state->count < n) n = (int)state->count;
      gru_mix(state->latest + GRU_LINEAR_STEPS - n, n, output);
    }
#endif
    gru_add_answer(output, 0, out);
  }
}
#endif
