/** What is mostly there already, and sometimes has to be waited for. */

export type MaybePromise<T> = T | Promise<T>

/** At once if the value is there, so that what is there costs no promise. What `next` throws is then thrown at once, too. */
export function later<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Of something that is loaded when it is first asked for: a promise until it is there. */
export function loadedOnce<T extends object>(load: () => Promise<T>): () => MaybePromise<T> {
  let loaded: T | null = null
  return () => loaded ?? load().then(value => (loaded = value))
}
