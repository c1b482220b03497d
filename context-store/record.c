/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/record.h"

void flx_record_layout_init(struct flx_record_layout *layout, uint32_t key_size,
			    uint32_t context_size, uint64_t ttl_ms, void (*init)(void *context))
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
		.ttl_ticks = flx_clock_ticks(ttl_ms),
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

enum flx_record_state flx_record_verify(const struct flx_record_layout *layout,
					const struct flx_record *record)
{
	uint64_t word = atomic_load_explicit(&record->word, memory_order_relaxed);
	uint32_t half = (uint32_t)word, sum = (uint32_t)(word >> 32);

	if (!(half & FLX_RECORD_LIVE))
		return flx_record_dead_sound(word) ? FLX_RECORD_FREE : FLX_RECORD_DAMAGED;
	if (half < FLX_RECORD_FIRST)
		return FLX_RECORD_DAMAGED;
	return sum == flx_record_sum(flx_record_image(layout, record, word), layout->image_size,
				     record->hash, record->stamp[half & 1], half)
		       ? FLX_RECORD_HELD
		       : FLX_RECORD_DAMAGED;
}

bool flx_record_copy_sound(const struct flx_record_layout *layout,
			   const struct flx_record_copy *copy)
{
	uint32_t half = (uint32_t)copy->word;

	return half >= FLX_RECORD_FIRST &&
	       (uint32_t)(copy->word >> 32) == flx_record_sum(copy->context, layout->image_size,
							      copy->hash, copy->stamp, half);
}

/*
 * The copy races with the owner by design and is thrown away when it did, which ThreadSanitizer
 * cannot see: hence not instrumented, and by words, as it would catch memcpy all the same.
 * All of it is aligned to 4: the key's offset is, and the images are to 8.
 */
__attribute__((no_sanitize("thread"))) static void copy_words(void *to, const void *from,
							      uint32_t size_bytes)
{
	const volatile uint32_t *words = from;

	for (uint32_t at = 0; at < size_bytes; at += (uint32_t)sizeof(uint32_t)) {
		uint32_t rest = size_bytes - at;
		uint32_t word = words[at / sizeof(uint32_t)];

		memcpy((uint8_t *)to + at, &word, rest < sizeof(word) ? rest : sizeof(word));
	}
}

bool flx_record_read(const struct flx_record_layout *layout, const struct flx_record *record,
		     struct flx_record_copy *copy)
{
	uint64_t word, after;

	do {
		/* Pairs with the release in flx_record_commit: all is as committed. */
		word = atomic_load_explicit(&record->word, memory_order_acquire);
		if (!(word & FLX_RECORD_LIVE))
			return false;
		copy_words(&copy->hash, &record->hash, sizeof(copy->hash));
		copy_words(&copy->stamp, &record->stamp[word & 1], sizeof(copy->stamp));
		copy_words(copy->key, record->key, layout->key_size);
		copy_words(copy->context, flx_record_image(layout, record, word),
			   layout->image_size);
		/*
		 * The owner writes this image again only after the next commit, past the release
		 * fence of flx_record_open; and key and hash only after a delete, past that of
		 * flx_record_assign. So if the copy saw such a write, this fence makes us see the
		 * word.
		 */
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&record->word, memory_order_relaxed);
	} while (unlikely(after != word));
	copy->word = word;
	return true;
}
