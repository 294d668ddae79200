/**
 * The text, or its first `most` characters as a text of its own: behind a part of a long one, JavaScript's engine keeps the whole. For what
 * clients say of themselves and is kept: it may have 32 KiB.
 */
export function cutText(text: string, most: number): string {
  return text.length <= most ? text : Buffer.from(text.slice(0, most)).toString()
}
