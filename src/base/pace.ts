/**
 * How much of a message is read or written in one go. Two ways: all of it, and if that is more than allowed, {@link TooManyElements} is
 * thrown; or with pauses, of which {@link Paced.pauseDue} tells. What takes time are elements of collections, long texts and tagged fields.
 */

/** A message has more elements than may be read, or written, in one go, or texts that are too long for that. */
export class TooManyElements extends Error {
  constructor() {
    super('too many elements, or texts too long, to be decoded or encoded at once')
    this.name = 'TooManyElements'
  }
}

/** As much text takes about as long as one element. */
const elementBytes = 128
/** Between two pauses. */
const elementsAtOnce = 256

export class Paced {
  /** So many elements collections may still have, all together: the business of whoever reads or writes collections. */
  elementsLeft = 2 ** 30 - 1
  /** Elements read or written so far, with pauses. */
  elementsDone = 0
  /** Bytes of text until the next pause, or at all where there is none. */
  #textLeft = Number.POSITIVE_INFINITY
  #pauses = false

  /** Only so many elements, and as much text. */
  allow(elements: number): void {
    this.elementsLeft = elements
    this.#textLeft = elements * elementBytes
  }

  /** There will be pauses. */
  beginPauses(): void {
    this.#pauses = true
    this.#textLeft = elementsAtOnce * elementBytes
  }

  /** After each element: whether it is time for a pause. */
  pauseDue(): boolean {
    if (++this.elementsDone % elementsAtOnce !== 0 && this.#textLeft >= 0) return false
    this.#textLeft = elementsAtOnce * elementBytes
    return true
  }

  /** Throws {@link TooManyElements} when `count` more would be too many. */
  claimElements(count: number): void {
    this.elementsLeft -= count
    if (this.elementsLeft < 0) throw new TooManyElements()
  }

  /** What is not an element, but takes as long as so many bytes of text. */
  protected spend(bytes: number): void {
    this.#textLeft -= bytes
    if (this.#textLeft < 0 && !this.#pauses) throw new TooManyElements()
  }
}
