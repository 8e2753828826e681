#include "admin/job.h"

#include "admin/internal.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static void job_free(struct job *j)
{
	if (!j)
		return;
	free(j->query);
	free(j->body);
	free(j->answer);
	free(j);
}

static void job_freep(struct job **j)
{
	job_free(*j);
}

/* ---- on the lane's thread */

static int open_books(struct lane *l, struct err *err)
{
	struct store_opts o = STORE_OPTS_DEFAULT;

	if (l->books || !l->a->o.books_path)
		return 0;
	o.schema = STORE_SCHEMA_BOOKS;
	o.create = false;
	o.sha256 = crypto_sha256;
	return store_open(l->a->o.books_path, &o, &l->books, err);
}

static void run(struct lane *l, struct job *j)
{
	struct admin_call c = {.a = j->a,
			       .job = j,
			       .actor = j->actor,
			       .query = j->query,
			       .body = j->body ? j->body : "",
			       .body_len = j->body_len};
	struct err err = {0};

	memcpy(c.part, j->part, sizeof(c.part));
	if (open_books(l, &err) < 0) {
		reply_err(&c, &err);
		return;
	}
	c.books = l->books;
	j->handle(&c);
}

static void deliver(void *arg);

/* The loop has no memory for one more posted function: there will be some soon. */
static void tell_control_thread(struct admin *a)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	while (loop_post(a->o.loop, deliver, a) < 0)
		nanosleep(&pause, NULL);
}

static struct job *next_job(struct lane *l)
{
	struct jobs *jobs = l->a->jobs;
	struct job *j;

	pthread_mutex_lock(&jobs->lock);
	while (!l->first && !jobs->stopping)
		pthread_cond_wait(&l->wake, &jobs->lock);
	j = jobs->stopping ? NULL : l->first;
	if (j) {
		l->first = j->next;
		if (!l->first)
			l->last = &l->first;
		l->queued--;
		j->next = NULL;
	}
	pthread_mutex_unlock(&jobs->lock);
	return j;
}

static void *lane_main(void *arg)
{
	struct lane *l = arg;
	struct jobs *jobs = l->a->jobs;
	struct job *j;

	while ((j = next_job(l))) {
		run(l, j);
		pthread_mutex_lock(&jobs->lock);
		*jobs->done_last = j;
		jobs->done_last = &j->next;
		pthread_mutex_unlock(&jobs->lock);
		tell_control_thread(l->a);
	}
	store_close(l->books);
	l->books = NULL;
	return NULL;
}

/* ---- on the control thread */

static void answer(struct job *j)
{
	const struct http_header h[] = {{"content-type", j->type ? j->type : "text/plain"},
					{"cache-control", "no-store"}};

	if (!j->x)
		return;
	http_set_user(j->x, j->a); /* answered: `finished` must not look at the job */
	if (j->answer)
		http_respond_take(j->x, j->status, h, ARRAY_SIZE(h), take_ptr(&j->answer), j->answer_len);
	else
		http_respond(j->x, 503, NULL, 0, NULL, 0);
}

static void deliver(void *arg)
{
	struct admin *a = arg;
	struct jobs *jobs = a->jobs;
	struct job *list, *j;

	pthread_mutex_lock(&jobs->lock);
	list = jobs->done;
	jobs->done = NULL;
	jobs->done_last = &jobs->done;
	pthread_mutex_unlock(&jobs->lock);
	while ((j = list)) {
		list = j->next;
		answer(j);
		job_free(j);
	}
}

void job_forget(struct job *j)
{
	j->x = NULL;
}

/* The thread is started by the first job: most installations' control planes never need it. */
static int start_thread(struct lane *l, struct err *err)
{
	sigset_t all, before;
	int rc;

	if (l->started)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&l->thread, NULL, lane_main, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return err_errno(err, rc, "starting a thread for the books");
	l->started = true;
	return 0;
}

static int enqueue(struct admin *a, enum job_lane lane, struct job *j, struct err *err)
{
	struct lane *l = &a->jobs->lane[lane];
	int rc;

	pthread_mutex_lock(&a->jobs->lock);
	if (a->jobs->stopping)
		rc = err_set(err, ERR_BUSY, "shutting down");
	else if (l->queued >= JOBS_QUEUED_MAX)
		rc = err_set(err, ERR_BUSY, "%u requests of this kind wait already; try again later", l->queued);
	else
		rc = start_thread(l, err);
	if (rc == 0) {
		*l->last = j;
		l->last = &j->next;
		l->queued++;
		pthread_cond_signal(&l->wake);
	}
	pthread_mutex_unlock(&a->jobs->lock);
	return rc;
}

static struct job *job_of_call(const struct admin_call *c, void (*handle)(struct admin_call *c))
{
	_cleanup_(job_freep) struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->a = c->a;
	j->x = c->x;
	j->handle = handle;
	j->actor = c->actor;
	memcpy(j->part, c->part, sizeof(j->part));
	j->query = strdup(c->query ? c->query : "");
	if (c->body_len) {
		j->body = malloc(c->body_len + 1);
		j->body_len = c->body_len;
	}
	if (!j->query || (c->body_len && !j->body))
		return NULL;
	if (j->body) {
		memcpy(j->body, c->body, c->body_len);
		j->body[c->body_len] = '\0';
	}
	return take_ptr(&j);
}

void job_start(struct admin_call *c, enum job_lane lane, void (*handle)(struct admin_call *c))
{
	struct err err;
	struct job *j;

	if (c->body_len > JOB_BODY_MAX) {
		reply_error(c, 413, "body_too_large", "the body is larger than %zu MiB", JOB_BODY_MAX >> 20);
		return;
	}
	j = job_of_call(c, handle);
	if (!j) {
		reply_error(c, 503, "no_memory", "out of memory");
		return;
	}
	http_set_user(c->x, j);
	if (enqueue(c->a, lane, j, &err) < 0) {
		http_set_user(c->x, c->a);
		job_free(j);
		reply_err(c, &err);
	}
}

int job_start_silent(struct admin *a, enum job_lane lane, void (*handle)(struct admin_call *c), struct err *err)
{
	struct admin_call c = {.a = a, .actor = "tollgated"};
	struct job *j = job_of_call(&c, handle);
	int rc;

	if (!j)
		return err_set(err, ERR_NOMEM, "out of memory");
	rc = enqueue(a, lane, j, err);
	if (rc < 0)
		job_free(j);
	return rc;
}

/* ---- life */

int jobs_init(struct admin *a, struct err *err)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));

	if (!jobs)
		return err_set(err, ERR_NOMEM, "no memory for the control API");
	pthread_mutex_init(&jobs->lock, NULL);
	jobs->done_last = &jobs->done;
	for (unsigned i = 0; i < JOB_LANES; i++) {
		struct lane *l = &jobs->lane[i];

		l->a = a;
		l->last = &l->first;
		pthread_cond_init(&l->wake, NULL);
	}
	a->jobs = jobs;
	return 0;
}

static void refuse(struct job *j)
{
	struct admin_call c = {.a = j->a, .job = j};

	reply_error(&c, 503, "busy", "shutting down");
	answer(j);
	job_free(j);
}

void jobs_stop(struct admin *a)
{
	struct jobs *jobs = a->jobs;

	pthread_mutex_lock(&jobs->lock);
	jobs->stopping = true;
	for (unsigned i = 0; i < JOB_LANES; i++)
		pthread_cond_signal(&jobs->lane[i].wake);
	pthread_mutex_unlock(&jobs->lock);
	for (unsigned i = 0; i < JOB_LANES; i++) {
		struct lane *l = &jobs->lane[i];

		if (l->started)
			pthread_join(l->thread, NULL);
		l->started = false;
		while (l->first) {
			struct job *j = l->first;

			l->first = j->next;
			refuse(j);
		}
		l->last = &l->first;
		l->queued = 0;
	}
	deliver(a);
}

void jobs_done(struct admin *a)
{
	if (!a->jobs)
		return;
	jobs_stop(a);
	for (unsigned i = 0; i < JOB_LANES; i++)
		pthread_cond_destroy(&a->jobs->lane[i].wake);
	pthread_mutex_destroy(&a->jobs->lock);
	free(a->jobs);
	a->jobs = NULL;
}
