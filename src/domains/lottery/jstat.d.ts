/** The part of jStat that is used here; the package brings no types of its own. */
declare module 'jstat' {
  const jStat: {
    readonly chisquare: {
      /** The chance of a value of at most `x`. */
      cdf(x: number, degreesOfFreedom: number): number
    }
  }
  export default jStat
}
