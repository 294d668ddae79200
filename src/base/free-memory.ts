/** Less is not worth the call, and smaller buffers may share their memory with others. */
const leastBytes = 1024 * 1024

/**
 * Gives the memory of a large buffer back, which nobody uses any more, so that it does not wait for a collection of garbage: that may come long
 * after the next hundreds of megabytes. The buffer, and all views of its memory, are empty from now on.
 */
export function freeIfLarge(bytes: Buffer): void {
  if (bytes.length > leastBytes) (bytes.buffer as ArrayBuffer).transfer(0)
}
