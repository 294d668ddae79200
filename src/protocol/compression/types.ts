/** Names and numbers of Kafka's compression types. Separate, so that reading headers does not load the codecs. */

export type CompressionType = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** By the id in a batch's attributes. */
export const compressionNames: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

export const compressionIds: Readonly<Record<CompressionType, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }
