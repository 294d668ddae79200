/**
 * Numbers that clients send as keys of a Set or a Map. JavaScript's engine hashes numbers in a way that everybody knows, so a client can choose
 * thousands that lie in one bucket: thirty thousand took a second. Multiplied by a secret they lie where chance puts them, and stay distinct.
 */
const secret = Math.floor(Math.random() * 2 ** 31) | 1

/** Another int32 for each int32, and always the same. */
export function scrambled(number: number): number {
  return Math.imul(number, secret)
}
