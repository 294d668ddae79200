/**
 * Limits how much of a message is decoded or encoded at once. There are two modes: without pauses, where {@link TooManyElements} is thrown if
 * the message is too large; or with pauses, when {@link Paced.pauseDue} is true. Collection elements, long texts and tagged fields count.
 */

/** A message has too many elements, or texts too long, to be decoded or encoded without pauses. */
export class TooManyElements extends Error {
  constructor() {
    super('too many elements, or texts too long, to be decoded or encoded at once')
    this.name = 'TooManyElements'
  }
}

/** This much text takes about as long as one element. */
const elementBytes = 128
/** Between two pauses. */
const elementsAtOnce = 256

export class Paced {
  /** How many elements all collections together may still have. Checked by the code that decodes or encodes collections. */
  elementsLeft = 2 ** 30 - 1
  /** Elements read or written so far, with pauses. */
  elementsDone = 0
  /** Bytes of text until the next pause; without pauses, the limit for all text. */
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
