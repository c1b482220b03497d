/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/timeline.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define WIDTH	     900
#define LEFT	     64 /* of the panels; the rest is for what their axes say */
#define RIGHT	     884
#define TOP	     88
#define LOAD_HEIGHT  200
#define PAUSE_HEIGHT 90
#define GAP	     34 /* between two panels: the heading of the lower one */
/* A row of the moves, per worker; all together take no more than so many. */
#define ROW_HEIGHT  26
#define ROWS_HEIGHT 182
/* Moves nearer to each other are one arrow. */
#define ARROW_GRID 4

/* Of the part that is drawn. */
struct picture {
	const struct flx_history *history;
	const struct flx_timeline_conf *conf;
	FILE *out;
	uint64_t from_us, until_us;
	double moves_top, row_height, pause_top, bottom;
	double pause_max_us; /* of the axis */
	uint32_t move_count, slice_count, waited_count;
	uint32_t pause_most_us;
};

/* Told apart also by who sees no red or no green (Okabe and Ito, "Color universal design", 2008). */
static const char *color_of(uint32_t worker)
{
	static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
					     "#e69f00", "#56b4e9", "#7f6000", "#444444"};

	return colors[worker % (sizeof(colors) / sizeof(colors[0]))];
}

/* ------------------------------------------------------------------------------- texts and places */

static void put_text(const struct picture *picture, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", picture->out);
			break;
		case '&':
			fputs("&amp;", picture->out);
			break;
		default:
			/* Control characters are not XML, escaped or not. */
			if ((unsigned char)*text >= ' ')
				fputc(*text, picture->out);
		}
	}
}

/* @attributes: of the text element, beside its place. */
static void label(const struct picture *picture, double x, double y, const char *attributes,
		  const char *text)
{
	fprintf(picture->out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
	put_text(picture, text);
	fputs("</text>\n", picture->out);
}

static void line(const struct picture *picture, double x1, double y1, double x2, double y2,
		 const char *attributes)
{
	fprintf(picture->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1,
		y1, x2, y2, attributes);
}

static double x_of(const struct picture *picture, uint64_t at_us)
{
	double share =
		(double)(at_us - picture->from_us) / (double)(picture->until_us - picture->from_us);

	return LEFT + share * (RIGHT - LEFT);
}

static bool is_shown(const struct picture *picture, uint64_t at_us)
{
	return at_us >= picture->from_us && at_us <= picture->until_us;
}

/* Middle of the row of @worker. */
static double row_of(const struct picture *picture, uint32_t worker)
{
	return picture->moves_top + (worker + 0.5) * picture->row_height;
}

/* The least of 1, 2, 5, 10, 20 .. that is not below @value. */
static double round_up(double value)
{
	double power = pow(10, floor(log10(value)));

	if (value <= power)
		return power;
	if (value <= 2 * power)
		return 2 * power;
	return value <= 5 * power ? 5 * power : 10 * power;
}

/* ------------------------------------------------------------------------------------------- axes */

/* Level @value of @most on the axis of the panel from @top on. */
static void level(const struct picture *picture, double top, double height, double value,
		  double most)
{
	double y = top + height - value / most * height;
	char text[32];

	snprintf(text, sizeof(text), "%g", value);
	line(picture, LEFT, y, RIGHT, y, value > 0 ? "class=\"grid\"" : "class=\"axis\"");
	label(picture, LEFT - 8, y + 4, "class=\"right\"", text);
}

static void draw_time_axis(const struct picture *picture)
{
	const struct flx_timeline_conf *conf = picture->conf;
	double zero_us = (double)(conf->zero ? conf->zero_us : picture->from_us);
	double span_us = (double)(picture->until_us - picture->from_us);
	double step_us = round_up(span_us / 12);
	double unit_us = span_us > 5e6 ? 1e6 : 1e3;
	double at_us = ceil(((double)picture->from_us - zero_us) / step_us) * step_us;

	for (; zero_us + at_us <= (double)picture->until_us; at_us += step_us) {
		double x = x_of(picture, (uint64_t)(zero_us + at_us));
		char text[32];

		/* No "-0": it comes from rounding up what is before the zero. */
		snprintf(text, sizeof(text), "%g", at_us == 0 ? 0 : at_us / unit_us);
		line(picture, x, TOP, x, picture->bottom, "class=\"grid\"");
		label(picture, x, picture->bottom + 18, "class=\"middle\"", text);
	}
	label(picture, (LEFT + RIGHT) / 2.0, picture->bottom + 38, "class=\"middle\"",
	      unit_us > 1e3 ? "seconds" : "milliseconds");
}

static void draw_zero(const struct picture *picture)
{
	double x;

	if (!picture->conf->zero || !is_shown(picture, picture->conf->zero_us))
		return;
	x = x_of(picture, picture->conf->zero_us);
	line(picture, x, TOP, x, picture->bottom, "class=\"zero\"");
	/* At the foot, where a worker that is of interest is not. */
	label(picture, x + 6, TOP + LOAD_HEIGHT - 8, "class=\"note\"", picture->conf->zero);
}

/* ------------------------------------------------------------------------------------------ panels */

/* The mean of @count samples as a point of the polyline. */
static void point(const struct picture *picture, double at_us, double permille, uint32_t count)
{
	fprintf(picture->out, "%.1f,%.1f ", x_of(picture, (uint64_t)(at_us / count)),
		TOP + LOAD_HEIGHT * (1 - permille / count / 1000));
}

static void draw_load(const struct picture *picture, uint32_t worker)
{
	const struct flx_history *history = picture->history;
	double at_us = 0, permille = 0;
	uint32_t count = 0;
	long column = 0;

	fprintf(picture->out, "<polyline class=\"load\" stroke=\"%s\" points=\"", color_of(worker));
	for (uint64_t n = flx_history_first_sample(history); n < history->sample_count; n++) {
		const struct flx_history_sample *sample = flx_history_sample(history, n);

		if (!is_shown(picture, sample->at_us))
			continue;
		if (count && lround(x_of(picture, sample->at_us)) != column) {
			point(picture, at_us, permille, count);
			at_us = permille = count = 0;
		}
		column = lround(x_of(picture, sample->at_us));
		at_us += (double)sample->at_us;
		permille += sample->busy_permille[worker];
		count++;
	}
	if (count)
		point(picture, at_us, permille, count);
	fputs("\"/>\n", picture->out);
}

static void draw_loads(const struct picture *picture)
{
	label(picture, LEFT, TOP - 8, "class=\"head\"", "load of a worker, % of its time");
	for (int percent = 0; percent <= 100; percent += 25)
		level(picture, TOP, LOAD_HEIGHT, percent, 100);
	for (uint32_t w = 0; w < picture->history->worker_count; w++)
		draw_load(picture, w);
}

static bool is_drawn(const struct picture *picture, const struct flx_history_move *move)
{
	return move->kind == FLX_MOVE_SLICES && is_shown(picture, move->begun_us);
}

static void draw_arrow(const struct picture *picture, const struct flx_history_move *move,
		       uint32_t slices)
{
	double x = x_of(picture, move->begun_us), tip = row_of(picture, move->to);
	double back = move->to > move->from ? -7 : 7; /* from the tip to the root of its head */
	double width = 1 + log2(slices) / 2;

	fprintf(picture->out,
		"<g class=\"move\" stroke=\"%s\" fill=\"%s\"><title>%u slices from worker %u to "
		"%u</title>\n",
		color_of(move->from), color_of(move->from), slices, move->from, move->to);
	fprintf(picture->out,
		"<path d=\"M%.1f %.1fV%.1f\" stroke-width=\"%.1f\"/><path d=\"M%.1f %.1fl%.1f "
		"%.1fh%.1fz\" stroke=\"none\"/></g>\n",
		x, row_of(picture, move->from), tip + back, width, x, tip, -3 - width / 2, back,
		6 + width);
}

/* Moves that were noted one after the other and fall on one place are one arrow. */
static void draw_arrows(const struct picture *picture)
{
	const struct flx_history *history = picture->history;
	const struct flx_history_move *last = NULL;
	uint32_t slices = 0;

	for (uint64_t n = flx_history_first_move(history); n < history->move_count; n++) {
		const struct flx_history_move *move = flx_history_move(history, n);

		if (!is_drawn(picture, move) || move->undone)
			continue;
		if (last && (last->from != move->from || last->to != move->to ||
			     fabs(x_of(picture, move->begun_us) - x_of(picture, last->begun_us)) >=
				     ARROW_GRID)) {
			draw_arrow(picture, last, slices);
			slices = 0;
		}
		if (!slices)
			last = move;
		slices += move->count;
	}
	if (last)
		draw_arrow(picture, last, slices);
}

static void draw_moves(const struct picture *picture)
{
	label(picture, LEFT, picture->moves_top - 8, "class=\"head\"",
	      "moves of slices, from worker to worker");
	for (uint32_t w = 0; w < picture->history->worker_count; w++) {
		double y = row_of(picture, w);
		char text[16];

		snprintf(text, sizeof(text), "%u", w);
		line(picture, LEFT, y, RIGHT, y, "class=\"grid\"");
		/* More rows than there is room for have no name. */
		if (picture->row_height >= 11)
			label(picture, LEFT - 8, y + 4, "class=\"right\"", text);
	}
	draw_arrows(picture);
}

static void draw_pauses(const struct picture *picture)
{
	const struct flx_history *history = picture->history;

	label(picture, LEFT, picture->pause_top - 8, "class=\"head\"",
	      "pause of the moved slices, microseconds");
	for (int part = 0; part <= 2; part++)
		level(picture, picture->pause_top, PAUSE_HEIGHT, picture->pause_max_us * part / 2,
		      picture->pause_max_us);
	for (uint64_t n = flx_history_first_move(history); n < history->move_count; n++) {
		const struct flx_history_move *move = flx_history_move(history, n);

		if (!is_drawn(picture, move) || !move->parked)
			continue;
		fprintf(picture->out,
			"<circle class=\"pause\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
			x_of(picture, move->begun_us),
			picture->pause_top +
				PAUSE_HEIGHT * (1 - move->pause_us / picture->pause_max_us),
			color_of(move->from));
	}
}

/* ----------------------------------------------------------------------------------------- whole */

static void draw_legend(const struct picture *picture)
{
	/* Where there are many workers their names come closer, down to what a number takes. */
	double step = fmin(110, (double)(RIGHT - LEFT) / picture->history->worker_count);

	for (uint32_t w = 0; w < picture->history->worker_count; w++) {
		double x = LEFT + w * step;
		char text[32];

		snprintf(text, sizeof(text), step < 90 ? "%u" : "worker %u", w);
		fprintf(picture->out,
			"<line x1=\"%.1f\" y1=\"50\" x2=\"%.1f\" y2=\"50\" stroke=\"%s\" "
			"stroke-width=\"3\"/>\n",
			x, x + fmin(22, step / 2), color_of(w));
		label(picture, x + fmin(22, step / 2) + 6, 54, "", text);
	}
}

static void draw_title(const struct picture *picture)
{
	char text[128];

	label(picture, LEFT, 28, "class=\"title\"", picture->conf->title);
	if (picture->waited_count)
		snprintf(text, sizeof(text),
			 "%u moves, %u slices; messages waited in %u, %u us at most",
			 picture->move_count, picture->slice_count, picture->waited_count,
			 picture->pause_most_us);
	else
		snprintf(text, sizeof(text), "%u moves, %u slices; no message waited",
			 picture->move_count, picture->slice_count);
	label(picture, RIGHT, 28, "class=\"right\"", text);
}

static void open_picture(const struct picture *picture)
{
	fprintf(picture->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" "
		"height=\"%.0f\">\n<style>\n",
		WIDTH, picture->bottom + 52, WIDTH, picture->bottom + 52);
	fputs("text{font:12px sans-serif;fill:#333}.title{font-size:16px;font-weight:bold}\n"
	      ".head{font-weight:bold;fill:#555}\n"
	      ".note{font-style:italic;paint-order:stroke;stroke:#fff;stroke-width:4px}\n"
	      ".right{text-anchor:end}.middle{text-anchor:middle}\n"
	      ".grid{stroke:#e4e4e4}.axis{stroke:#888}.zero{stroke:#333;stroke-dasharray:4 3}\n"
	      ".load{fill:none;stroke-width:1.8;stroke-linejoin:round}\n"
	      ".pause,.move{opacity:.75}\n"
	      "</style>\n",
	      picture->out);
	/* White also on a dark page: the colors are chosen for that. */
	fputs("<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#fff\"/>\n", picture->out);
}

/* Where everything goes, and what the numbers of the moves are. */
static void lay_out(struct picture *picture)
{
	const struct flx_history *history = picture->history;
	double rows = fmin(ROW_HEIGHT * history->worker_count, ROWS_HEIGHT);

	picture->moves_top = TOP + LOAD_HEIGHT + GAP;
	picture->row_height = rows / history->worker_count;
	picture->pause_top = picture->moves_top + rows + GAP;
	picture->bottom = picture->pause_top + PAUSE_HEIGHT;
	for (uint64_t n = flx_history_first_move(history); n < history->move_count; n++) {
		const struct flx_history_move *move = flx_history_move(history, n);

		if (!is_drawn(picture, move))
			continue;
		picture->move_count++;
		picture->slice_count += move->undone ? 0 : move->count;
		picture->waited_count += move->parked > 0;
		if (move->parked && move->pause_us > picture->pause_most_us)
			picture->pause_most_us = move->pause_us;
	}
	picture->pause_max_us = round_up(picture->pause_most_us > 10 ? picture->pause_most_us : 10);
}

/* The part of the history that there is of what is asked for; false: nothing of it. */
static bool find_part(struct picture *picture)
{
	const struct flx_history *history = picture->history;
	const struct flx_timeline_conf *conf = picture->conf;
	uint64_t first_us, last_us;

	if (!history->sample_count)
		return false;
	first_us = flx_history_sample(history, flx_history_first_sample(history))->at_us;
	last_us = flx_history_sample(history, history->sample_count - 1)->at_us;
	picture->from_us = conf->from_us > first_us ? conf->from_us : first_us;
	picture->until_us = conf->until_us && conf->until_us < last_us ? conf->until_us : last_us;
	return picture->from_us < picture->until_us;
}

void flx_timeline_print(const struct flx_history *history, const struct flx_timeline_conf *conf,
			FILE *out)
{
	struct picture picture = {.history = history, .conf = conf, .out = out};
	bool any = find_part(&picture);

	lay_out(&picture);
	open_picture(&picture);
	if (any) {
		draw_title(&picture);
		draw_legend(&picture);
		draw_time_axis(&picture);
		draw_loads(&picture);
		draw_moves(&picture);
		draw_pauses(&picture);
		draw_zero(&picture);
	} else {
		label(&picture, WIDTH / 2.0, picture.bottom / 2, "class=\"middle\"",
		      "nothing was seen in this time");
	}
	fputs("</svg>\n", out);
}
