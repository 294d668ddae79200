/**
 * The text, or a copy of its first `most` characters: a substring would keep the whole text in memory. For descriptions of clients that are
 * stored; a client may send up to 32 KiB.
 */
export function cutText(text: string, most: number): string {
  return text.length <= most ? text : Buffer.from(text.slice(0, most)).toString()
}
