/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/record.h"

void flx_record_layout_init(struct flx_record_layout *layout, uint32_t key_size,
			    uint32_t context_size, void (*init)(void *context))
{
	uint32_t image_offset = (FLX_RECORD_KEY_OFFSET + key_size + 7) & ~7u;
	uint32_t image_size = (context_size + 7) & ~7u;
	uint32_t used = image_offset + 2 * image_size;

	*layout = (struct flx_record_layout){
		.key_size = key_size,
		.context_size = context_size,
		.image_offset = image_offset,
		.image_size = image_size,
		.stride_bytes = (used + FLX_CACHE_LINE - 1) & ~(FLX_CACHE_LINE - 1u),
		.init = init,
	};
}

void flx_record_fill(const struct flx_record_layout *layout, uint8_t *image)
{
	/* Zeroes first, whatever init writes: the record may have been another key's. */
	memset(image, 0, layout->image_size);
	if (layout->init)
		layout->init(image);
}

/*
 * The copy races with the owner by design and is thrown away when it did, which ThreadSanitizer
 * cannot see: hence not instrumented, and by words, as it would catch memcpy all the same.
 */
__attribute__((no_sanitize("thread"))) static void copy_image(
	const struct flx_record_layout *layout, const uint8_t *image, uint8_t *context)
{
	const volatile uint64_t *words = (const volatile uint64_t *)(const void *)image;

	for (uint32_t at = 0; at < layout->context_size; at += (uint32_t)sizeof(uint64_t)) {
		uint32_t rest = layout->context_size - at;
		uint64_t word = words[at / sizeof(uint64_t)];

		memcpy(context + at, &word, rest < sizeof(word) ? rest : sizeof(word));
	}
}

uint64_t flx_record_read(const struct flx_record_layout *layout, const struct flx_record *record,
			 void *context)
{
	uint64_t word, after;

	do {
		/* Pairs with the release in flx_record_commit: the image is as committed. */
		word = atomic_load_explicit(&record->word, memory_order_acquire);
		if (word == 0)
			return 0;
		copy_image(layout, flx_record_image(layout, record, word), context);
		/*
		 * The owner writes this image again only after the next commit, past the release
		 * fence of flx_record_open. So if the copy saw such a write, this fence makes us
		 * see the word.
		 */
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&record->word, memory_order_relaxed);
	} while (unlikely(after != word));
	return word;
}
