/**
 * One result for each thing that a request names: a hundred thousand, if the request failed as a whole and each gets the error. These
 * generators make them in steps.
 */

const madeAtOnce = 64

/** The result of each element. */
export function* resultsOf<T, R>(list: readonly T[], result: (element: T) => R): Generator<void, R[]> {
  const results: R[] = []
  for (const element of list) if (results.push(result(element)) % madeAtOnce === 0) yield
  return results
}

/** For elements that have a list each: `together` puts the results of that list into the result of the element. */
export function* nestedResultsOf<T, I, R, S>(
  list: readonly T[],
  innerOf: (element: T) => readonly I[],
  result: (inner: I) => R,
  together: (element: T, results: R[]) => S,
): Generator<void, S[]> {
  const all: S[] = []
  for (const element of list) {
    all.push(together(element, yield* resultsOf(innerOf(element), result)))
    if (all.length % madeAtOnce === 0) yield
  }
  return all
}

export function isSteps(response: object | Generator<void, object>): response is Generator<void, object> {
  return 'next' in response
}

/** For requests that are small enough. */
export function atOnce(response: object | Generator<void, object>): object {
  if (!isSteps(response)) return response
  for (;;) {
    const step = response.next()
    if (step.done) return step.value
  }
}
