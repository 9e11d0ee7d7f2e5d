/** A tab of a browser, as its user has it. */
export interface Tab {
  /** Opens the page. Resolves when it has loaded. */
  goto (url: string): Promise<void>
  /** Goes back to the page before. */
  goBack (): Promise<void>
  /** Brings another tab of the window to the front. */
  hide (): Promise<void>
  /** Brings this tab to the front. */
  show (): Promise<void>
  /** Takes the network from the tab, or gives it back. */
  setOffline (isOffline: boolean): Promise<void>
  /** Evaluates `expression`, a promise or a value, in the page. Resolves with its value, which passes as JSON. */
  evaluate (expression: string): Promise<any>
}
