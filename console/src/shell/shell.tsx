/** What surrounds each view: where one is, where one can go, who one is, and whether the broker is there. */
import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useRouterState } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { asked } from '../api.ts'
import { counted } from '../format.ts'
import { applyTheme, storedTheme, type Theme } from '../theme.ts'
import { Mark } from '../ui/mark.tsx'
import { Palette } from './palette.tsx'
import css from './shell.module.css'
import { User } from './user.tsx'

const places = [
  { to: '/', title: 'Overview' },
  { to: '/topics', title: 'Topics' },
  { to: '/groups', title: 'Groups' },
  { to: '/schemas', title: 'Schemas' },
  { to: '/connectors', title: 'Connectors' },
  { to: '/triggers', title: 'Triggers' },
  { to: '/transactions', title: 'Transactions' },
  { to: '/security', title: 'Security' },
  { to: '/brokers', title: 'Brokers' },
  { to: '/settings', title: 'Settings' },
] as const

/** Often enough to say soon that the broker is away. */
const pulseMs = 5_000
const troublesMs = 30_000

export function Shell() {
  const session = useQuery({ ...asked('GET /session', {}), refetchInterval: pulseMs, retry: false })
  const [searching, setSearching] = useState(false)
  const place = useRouterState({ select: state => state.location.pathname })
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.metaKey || event.ctrlKey)) return
      event.preventDefault()
      setSearching(true)
    }
    window.addEventListener('keydown', listen)
    return () => window.removeEventListener('keydown', listen)
  }, [])
  const nav = useRef<HTMLElement>(null)
  // Where the places stand side by side, not all of them are in sight.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the place is what has changed
  useEffect(() => {
    nav.current?.querySelector('[aria-current=page]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [place])
  const away = session.isError
  return (
    <div className={css['shell']}>
      <a className={css['skip']} href="#view">
        Skip to content
      </a>
      <header className={css['top']}>
        <Link to="/" className={css['brand']}>
          Millrace
        </Link>
        <span className={css['cluster']} title={session.data?.cluster}>
          {session.data?.bootstrap ?? ''}
        </span>
        <button type="button" className={css['search']} onClick={() => setSearching(true)}>
          <span>Search</span>
          <kbd>{/Mac|iP/.test(navigator.userAgent) ? '⌘K' : 'Ctrl K'}</kbd>
        </button>
        <Link to="/" className={css['health']}>
          {away ? <Mark tone="bad">no broker</Mark> : session.data !== undefined && <Health />}
        </Link>
        {session.data?.needsLogin === true && <User principal={session.data.principal} />}
        <ThemeChoice />
      </header>
      <nav ref={nav} className={css['nav']} aria-label="Places">
        {places.map(({ to, title }) => (
          <Link key={to} to={to} className={css['place']} activeOptions={{ exact: to === '/' }} activeProps={{ 'aria-current': 'page' }}>
            {title}
          </Link>
        ))}
      </nav>
      {away && (
        <p className={css['banner']} role="alert">
          <strong>The broker does not answer.</strong> {session.error.message} What is shown may be old; this page connects again by itself.
        </p>
      )}
      <main id="view" className={css['view']} tabIndex={-1}>
        <Outlet />
      </main>
      <Palette key={place} open={searching} onOpenChange={setSearching} />
    </div>
  )
}

/** What is wrong now is on the overview. */
function Health() {
  const { data } = useQuery({ ...asked('GET /overview', {}), refetchInterval: troublesMs })
  if (data === undefined) return <Mark tone="good">connected</Mark>
  const { troubles, moreTroubles } = data
  if (troubles.length === 0) return <Mark tone="good">all well</Mark>
  return <Mark tone={troubles[0]!.bad ? 'bad' : 'warn'}>{counted(troubles.length + moreTroubles, 'problem')}</Mark>
}

const nextTheme: Record<Theme, Theme> = { system: 'dark', dark: 'light', light: 'system' }
const themeSigns: Record<Theme, string> = { system: '◐', dark: '☾', light: '☀' }

function ThemeChoice() {
  const [theme, setTheme] = useState(storedTheme)
  const change = () => {
    const next = nextTheme[theme]
    applyTheme(next)
    setTheme(next)
  }
  const said = theme === 'system' ? 'Colours: as the system' : `Colours: ${theme}`
  return (
    <button type="button" className={css['theme']} onClick={change} aria-label={said} title={said}>
      {themeSigns[theme]}
    </button>
  )
}
