/** What all objects have in common, which no input may change: to be compared with what it was before. */
export function common(): string {
  return JSON.stringify([Object.prototype, Array.prototype, Function.prototype].map(each => Reflect.ownKeys(each).map(String)))
}
