// SPDX-License-Identifier: GPL-2.0
/*
 * Registers and deregisters an MR of one page without pause, in several processes
 * at once. Prints how many of these pairs they did in a second.
 *
 *	regions <processes> <seconds>
 */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "verbs.h"

#define PAGE	4096

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static void register_for(double seconds, double *rate, int ready, int start)
{
	void **devices = ibv_get_device_list(NULL);
	void *context, *pd, *page, *mr;
	unsigned long pairs = 0;
	double begin;
	char byte = 0;

	context = devices && devices[0] ? ibv_open_device(devices[0]) : NULL;
	pd = context ? ibv_alloc_pd(context) : NULL;
	page = aligned_alloc(PAGE, PAGE);
	if (!pd || !page)
		errx(1, "no device, or no PD of it");
	if (write(ready, &byte, 1) != 1 || read(start, &byte, 1) < 0)
		err(1, "pipe");
	begin = now();
	do {
		mr = ibv_reg_mr(pd, page, PAGE, 0);
		if (!mr || ibv_dereg_mr(mr))
			err(1, "MR");
		pairs++;
	} while (now() - begin < seconds);
	*rate = pairs / (now() - begin);
}

int main(int argc, char **argv)
{
	int processes = argc == 3 ? atoi(argv[1]) : 0, ready[2], start[2], i;
	double *rates, total = 0;
	int status;
	char byte;

	if (processes < 1)
		errx(1, "usage: regions <processes> <seconds>");
	rates = mmap(NULL, processes * sizeof(*rates), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (rates == MAP_FAILED || pipe(ready) || pipe(start))
		err(1, "preparation");
	for (i = 0; i < processes; i++) {
		if (fork())
			continue;
		close(start[1]);
		register_for(atof(argv[2]), &rates[i], ready[1], start[0]);
		return 0;
	}
	close(ready[1]);
	for (i = 0; i < processes && read(ready[0], &byte, 1) == 1; i++)
		;
	/* All start when this pipe is closed. */
	close(start[1]);
	for (i = 0; i < processes; i++)
		if (wait(&status) < 0 || status)
			errx(1, "a process failed");
	for (i = 0; i < processes; i++)
		total += rates[i];
	printf("%.0f\n", total);
	return 0;
}
