/**
 * The library of the plots hands the language of the browser to Intl when it is loaded. Browsers without a desktop name it in a way that Intl refuses
 * (`en-US@posix`), and nothing would be drawn. To be imported before the library.
 */
try {
  new Intl.NumberFormat(navigator.language)
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en-US', configurable: true })
}

export {}
